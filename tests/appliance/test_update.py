# SPDX-License-Identifier: Apache-2.0
"""The update interface on the real bus, with the real users; a container has no slots to write."""

import json

from tests.appliance.conftest import Contained
from tests.support.access import OPERATOR, READER, as_user
from tests.support.appliance import run

UNITS = ("pilotlight-reboot.service", "pilotlight-hawkbit.service")
EXPOSURE_LIMIT = 2.0
BUNDLE = "/tmp/test.raucb"


def test_everybody_who_reads_sees_where_updates_stand(appliance: Contained) -> None:
    code, output = as_user(appliance, READER, "pilotlight update status --json")
    assert code == 0, output
    status = json.loads(output)
    assert (status["State"], status["Booted"], status["RebootPolicy"]) == ("idle", "", "stopped")


def test_commanding_is_for_operators_and_force_for_administrators(appliance: Contained) -> None:
    run(appliance, f"head -c 100000 /dev/urandom >{BUNDLE} && chmod 0644 {BUNDLE}")
    code, output = as_user(appliance, READER, f"pilotlight update install {BUNDLE}")
    assert code == 1 and "denied" in output.lower(), output
    code, output = as_user(appliance, OPERATOR, f"pilotlight update install --force {BUNDLE}")
    assert code == 1 and "pilotlight-admin" in output, output
    code, output = as_user(appliance, OPERATOR, "pilotlight update mark good booted")
    assert code == 1 and "denied" in output.lower(), output
    code, output = as_user(appliance, OPERATOR, "pilotlight update policy window 'Sat 02:00-03:00'")
    assert code == 0, output


def test_an_upload_goes_to_the_data_partition_and_its_refusal_is_kept(appliance: Contained) -> None:
    run(appliance, f"head -c 100000 /dev/urandom >{BUNDLE} && chmod 0644 {BUNDLE}")
    code, output = as_user(appliance, OPERATOR, f"pilotlight update install {BUNDLE}")
    assert code == 1 and "Nothing was written" in output, output
    newest = json.loads(run(appliance, "pilotlight update history --json"))[0]
    assert (newest["Outcome"], newest["Name"], newest["User"]) == ("refused", "test.raucb", "nobody")
    assert run(appliance, "ls /data/pilotlight/orchestrator/bundles") == ""
    run(appliance, "systemctl restart pilotlight-orchestrator")
    assert json.loads(run(appliance, "pilotlight update history --json"))[0] == newest


def test_without_slots_there_is_nothing_to_go_back_to(appliance: Contained) -> None:
    code, output = appliance.execute("pilotlight update rollback")
    assert code == 1 and "nothing to go back to" in output


def test_what_restarts_the_device_waits_and_the_fleet_door_does_not_run(appliance: Contained) -> None:
    assert run(appliance, "systemctl is-active pilotlight-reboot.path").strip() == "active"
    assert appliance.execute("systemctl is-active pilotlight-hawkbit")[1].strip() == "inactive"
    for unit in UNITS:
        output = run(appliance, f"systemd-analyze security --offline=true --no-pager {unit} | tail -1")
        assert float(output.split(":")[1].split()[0]) <= EXPOSURE_LIMIT, output
    code, output = appliance.execute(f"systemd-analyze verify --man=no pilotlight-reboot.path {' '.join(UNITS)}")
    assert (code, [line for line in output.splitlines() if "pilotlight" in line]) == (0, [])


def test_the_fleet_door_runs_with_its_settings_and_asks_the_server(appliance: Contained) -> None:
    run(appliance, "printf 'url: https://localhost:1\\n' >/etc/pilotlight/hawkbit.yaml")
    run(appliance, "systemctl start pilotlight-hawkbit")
    try:
        assert run(appliance, "systemctl is-active pilotlight-hawkbit").strip() == "active"
        wanted = "localhost does not answer"
        run(
            appliance,
            f"timeout 20 sh -c 'until journalctl -t pilotlight-hawkbit | grep -q \"{wanted}\"; do sleep 0.2; done'",
        )
    finally:
        run(appliance, "rm /etc/pilotlight/hawkbit.yaml; systemctl stop pilotlight-hawkbit")
