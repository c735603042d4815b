# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with tags and segments."""

from __future__ import annotations


class TagValueError(ValueError):
    """A value does not fit the type of its tag. Nothing was stored; the tag keeps its value."""


class SegmentError(Exception):
    """Something is wrong with a segment."""


class SegmentMissing(SegmentError):
    """No writer has made the segment yet."""


class SegmentDamaged(SegmentError):
    """The file is not a segment, is cut short, or contradicts itself. Nothing of it was used."""


class SegmentBusy(SegmentError):
    """No consistent copy could be had in time: the writer stopped, or died, in the middle of a publish."""


class SegmentSilent(SegmentError):
    """The writer's next heartbeat is overdue, or there never was one: the values may be old."""
