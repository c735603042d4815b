# SPDX-License-Identifier: Apache-2.0
"""The provisioning unit in its sandbox, on a container whose boot configuration partition is in memory."""

import shlex
from pathlib import Path

import httpx

from image.container import Container

ANNA = {"username": "anna", "password": "correct horse"}
PRESEED = """\
config_version = "1.0"

[system]
hostname = "press-7"

[user]
name = "anna"
password = "correct horse"

[ssh]
enabled = true
authorized_keys = ["nothing"]

[locale]
timezone = "Asia/Tokyo"

[cloud]
url = "https://fleet.invalid"
token = "enrolment-token"
"""


def test_the_unit_carries_out_the_file(tmp_path: Path) -> None:
    with Container(data=tmp_path / "data") as container:

        def run(command: str) -> str:
            code, output = container.exec(["/bin/sh", "-c", command])
            assert code == 0, output
            return output.strip()

        assert container.wait_for_web(60), container.tail()
        run("mount -t tmpfs -o mode=700 config /boot/config")
        run(f"printf %s {shlex.quote(PRESEED)} >/boot/config/rpi-preseed.toml")
        run("systemctl start pilotlight-provision")
        assert run("ls /boot/config") == "rpi-preseed-result.txt"
        result = run("cat /boot/config/rpi-preseed-result.txt")
        assert "line 12: ssh.authorized_keys: key 1 is no public key" in result and "correct horse" not in result
        assert run("uname -n; date +%Z").split() == ["press-7", "JST"]
        assert run("stat -c '%U %a' /etc/pilotlight/hawkbit.token") == "pilotlight-hawkbit 600"
        assert run("ls -A /data/system/ssh | wc -l") == "0"
        run("systemctl restart pilotlight-web")
        assert container.wait_for_web(60), container.tail()
        login = httpx.post(f"{container.url}/api/login", json=ANNA, verify=False, timeout=60.0)
        assert login.status_code == 200, login.text
        assert "correct horse" not in run("journalctl --no-pager; cat /data/system/provision*.json")
