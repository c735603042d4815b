# SPDX-License-Identifier: Apache-2.0
"""Users and groups keep their numbers from image to image."""

from tests.support.accounts import declared

OURS = range(500, 520)


def test_every_user_and_group_has_a_number_of_our_range() -> None:
    accounts = declared()
    assert {account.kind for account in accounts} == {"u", "g"}
    assert [account for account in accounts if not account.number.isdecimal() or int(account.number) not in OURS] == []


def test_no_number_is_given_twice() -> None:
    # A user brings a group of its name and number along: both share one space.
    numbers = {account.name: account.number for account in declared()}
    assert all(numbers[account.name] == account.number for account in declared())
    assert len(set(numbers.values())) == len(numbers)
