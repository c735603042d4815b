# SPDX-License-Identifier: Apache-2.0
"""Users and groups have the numbers on the appliance that their declaration fixes."""

from tests.appliance.conftest import Contained
from tests.support.accounts import declared
from tests.support.appliance import run


def test_users_and_groups_have_their_fixed_numbers(appliance: Contained) -> None:
    databases = {"u": ["passwd", "group"], "g": ["group"]}
    for account in declared():
        for database in databases[account.kind]:
            assert run(appliance, f"getent {database} {account.name}").split(":")[2] == account.number, account
