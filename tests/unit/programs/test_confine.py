# SPDX-License-Identifier: Apache-2.0
"""What a command of a build can and cannot do, tried with real commands."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from pilotlight.runtime import confine


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "work"


def run(work: Path, *command: str, **changes: int) -> subprocess.CompletedProcess[str]:
    bounds = {"memory": 512 << 20, "file": 1 << 20, "cpu": 10, **changes}
    rules = confine.Rules(writable=str(work), readable=(), **bounds)
    return subprocess.run(
        confine.command(rules, *command),
        cwd=work,
        env=confine.environment(work),
        capture_output=True,
        text=True,
        timeout=30,
        start_new_session=True,
        check=False,
    )


def python(work: Path, code: str, **changes: int) -> subprocess.CompletedProcess[str]:
    return run(work, "/usr/bin/python3", "-S", "-c", code, **changes)


def test_it_works_in_its_directory(work: Path) -> None:
    done = run(work, "sh", "-c", "mkdir d && echo hi > d/f && mv d/f g && rm -r d && cat g")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hi\n", "")


@pytest.mark.parametrize(
    "command",
    [
        "cat ../secret",
        "cat /etc/passwd",
        "ls /",
        "echo x > ../evil",
        "echo x > /tmp/evil",
        "ln -s /etc link",
        "mkfifo p",
    ],
)
def test_nothing_else_can_be_read_written_or_made(command: str, work: Path) -> None:
    done = run(work, "sh", "-c", command)
    assert done.returncode != 0
    assert "denied" in done.stderr
    assert sorted(path.name for path in work.parent.iterdir()) == ["secret", "work"]


def test_what_it_writes_it_cannot_run(work: Path) -> None:
    done = run(work, "sh", "-c", "cp /usr/bin/true t && ./t")
    assert done.returncode == 126


@pytest.mark.parametrize(
    "code",
    [
        "import _socket; _socket.socket()",
        "import os; os.kill(os.getppid(), 0)",
        "import os; os.setsid()",
    ],
)
def test_no_network_no_signals_no_way_out_of_the_session(code: str, work: Path) -> None:
    done = python(work, code)
    assert done.returncode == 1
    assert "PermissionError" in done.stderr


def test_memory_files_and_time_are_bounded(work: Path) -> None:
    assert "MemoryError" in python(work, "bytearray(600 << 20)").stderr
    assert "too large" in python(work, "open('f', 'wb').write(bytes(2 << 20))").stderr
    assert python(work, "while True: pass", cpu=1).returncode == -9


def test_no_capability_is_left(work: Path) -> None:
    done = run(work, "sh", "-c", "cat g", memory=1 << 30)
    assert done.returncode == 1
    code = "import ctypes; print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))"
    assert python(work, code).stdout == "1\n"


def test_the_environment_holds_nothing_of_the_daemons(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    assert "secret" not in run(work, "env").stdout.replace(str(work), "")


def test_a_command_that_is_missing_is_told(work: Path) -> None:
    done = run(work, "no-such-compiler")
    assert (done.returncode, done.stderr) == (127, "error: no-such-compiler cannot be run: No such file or directory\n")


def test_rules_survive_the_command_line() -> None:
    rules = confine.Rules(writable="/a b/'c'", readable=("/x", "/y"), memory=1, file=2, cpu=3)
    assert confine.Rules.decode(rules.encode()) == rules


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filter_is_made_for_both_machines(machine: str) -> None:
    code = confine.refusals(machine)
    assert len(code) % 8 == 0
    assert len(code) // 8 < 64


def test_landlock_is_there(work: Path) -> None:
    """These tests prove nothing on a kernel without it."""
    assert run(work, "true").stderr == ""


def test_ending_a_session_takes_all_of_it_and_bears_that_it_is_gone(work: Path) -> None:
    leader = subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE, start_new_session=True)
    assert leader.stdout is not None
    leader.stdout.readline()
    confine.end_session(leader.pid)
    # Its output ends only when nobody holds it any more.
    assert leader.communicate(timeout=20) == (b"", None)
    assert leader.returncode == -signal.SIGKILL
    confine.end_session(leader.pid)
