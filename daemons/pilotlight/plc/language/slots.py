# SPDX-License-Identifier: Apache-2.0
"""Views of single addresses of a block: what was configured for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotlight.tags import Value

if TYPE_CHECKING:
    from pilotlight.plc.language.block import Block

_PROPERTIES = ("name", "retentive", "default", "comment")


class SlotView:
    """Properties of one address, or of several: then those of the first are shown and changes go to all."""

    def __init__(self, block: Block, addresses: tuple[int, ...]) -> None:
        self.block = block
        self.addresses = addresses

    def change(self, changes: dict[str, object]) -> None:
        """Set properties of all the addresses."""
        for address in self.addresses:
            self.block.override(address, changes)

    def reset(self) -> None:
        """Take back every property that was set."""
        self.change(dict.fromkeys(_PROPERTIES))

    def _overridden(self, what: str) -> bool:
        return any(what in self.block.overrides(address) for address in self.addresses)

    @property
    def name(self) -> str:
        """Name of the tag."""
        return self.block.name_of(self.addresses[0])

    @property
    def default(self) -> Value:
        """Default value of the tag."""
        return self.block.default_of(self.addresses[0])

    @property
    def retentive(self) -> bool:
        """Whether the tag is retentive."""
        return self.block.retentive_of(self.addresses[0])

    @property
    def comment(self) -> str:
        """Comment of the tag."""
        return str(self.block.overrides(self.addresses[0]).get("comment", ""))

    @property
    def name_overridden(self) -> bool:
        """Whether a name was set."""
        return self._overridden("name")

    @property
    def default_overridden(self) -> bool:
        """Whether a default was set."""
        return self._overridden("default")

    @property
    def retentive_overridden(self) -> bool:
        """Whether the retention was set."""
        return self._overridden("retentive")

    @property
    def comment_overridden(self) -> bool:
        """Whether a comment was set."""
        return self._overridden("comment")


RangeSlotView = SlotView
