# SPDX-License-Identifier: Apache-2.0
"""Commands, reports and jobs: what is written reads back, and nothing else is taken."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.io import jobs
from pilotlight.runtime import commands
from pilotlight.runtime.commands import VALUE_MAX, Command, Report
from pilotlight.runtime.job import Job

u32 = st.integers(0, 2**32 - 1)
words = st.lists(
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1), max_size=4
).map(tuple)


@given(st.sampled_from(Command), u32, u32, st.binary(max_size=VALUE_MAX))
def test_a_command_reads_back(kind: Command, number: int, argument: int, value: bytes) -> None:
    data = commands.encode(kind, number, argument, value)
    assert len(data) <= commands.SLOT
    assert commands.decode(data) == commands.Request(kind, number, argument, value)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_a_refusal(data: bytes) -> None:
    try:
        request = commands.decode(data)
    except ValueError:
        return
    assert request.kind in Command and len(request.value) <= len(data)


def test_a_value_that_does_not_fit_a_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="too long"):
        commands.encode(Command.WRITE, 1, 0, bytes(VALUE_MAX + 1))


@given(st.integers(0, 2**63 - 1))
def test_a_first_slot_reads_back(first: int) -> None:
    assert commands.first_slot(commands.slot_value(first)) == first


@given(
    st.sampled_from(Report), u32, st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_categories=["Cs"]))
)
def test_a_report_reads_back_with_its_text_cut_at_most(kind: Report, command: int, value: int, text: str) -> None:
    data = commands.report(kind, command, value, text)
    assert len(data) == commands.REPORT
    message = commands.parse(data)
    assert (message.kind, message.command, message.value) == (kind, command, value)
    assert text.encode().startswith(message.text.encode()[:-3])
    assert message.text == text or len(text.encode()) > commands.TEXT_MAX


@given(st.binary(max_size=300))
def test_any_bytes_are_a_report_or_a_refusal(data: bytes) -> None:
    for attempt in (data, data.ljust(commands.REPORT, b"\0")[: commands.REPORT]):
        try:
            message = commands.parse(attempt)
        except ValueError:
            continue
        assert message.kind in Report


@given(st.builds(Job, **{
    field.name: words if field.type.startswith("tuple") else st.integers() if field.type == "int" else st.text(
        st.characters(exclude_characters="\n", exclude_categories=["Cs"]))
    for field in dataclasses.fields(Job)
}))  # fmt: skip
def test_a_job_reads_back(job: Job) -> None:
    assert jobs.decode(Job, jobs.encode(job)) == job


def test_a_job_that_says_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="does not say parent"):
        jobs.decode(Job, [])
