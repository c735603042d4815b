# SPDX-License-Identifier: Apache-2.0
"""The states of the PLC."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.runtime.states import Machine, State, TransitionError, allowed


@given(st.lists(st.sampled_from(list(State)), max_size=40))
def test_only_allowed_transitions_change_the_state(wanted: list[State]) -> None:
    machine = Machine()
    for after in wanted:
        before = machine.state
        try:
            changed = machine.enter(after)
        except TransitionError as error:
            assert not allowed(before, after) and machine.state is before
            assert before.name in str(error) and after.name in str(error)
        else:
            assert allowed(before, after) and machine.state is after and changed == (after is not before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (State.EMPTY, State.RUNNING),
        (State.EMPTY, State.STOPPED),
        (State.ERROR, State.RUNNING),
        (State.RUNNING, State.EMPTY),
    ],
)
def test_what_must_never_happen(before: State, after: State) -> None:
    assert not allowed(before, after)


def test_every_state_can_be_reached_and_left() -> None:
    for state in State:
        assert any(allowed(before, state) for before in State if before is not state)
        assert any(allowed(state, after) for after in State if after is not state)
