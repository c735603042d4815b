# SPDX-License-Identifier: Apache-2.0
"""The command `pilotlight`."""

import pytest
from pilotlight import __version__, cli


def test_help_names_every_tool(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in cli.TOOLS)


def test_no_argument_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"pilotlight {__version__}\n"


def test_unknown_tool_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tgas"]) == 2
    assert "“tgas”" in capsys.readouterr().err


@pytest.mark.parametrize("tool", sorted(cli.TOOLS))
def test_every_tool_teaches_with_help(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = cli.main([tool, "--help"])
    except SystemExit as stopped:
        code = stopped.code
    assert code == 0
    assert f"pilotlight {tool}" in capsys.readouterr().out
