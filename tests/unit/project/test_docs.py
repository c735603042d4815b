# SPDX-License-Identifier: Apache-2.0
"""README and docs: links lead somewhere, the map covers every file, the D-Bus page knows every interface and error."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from image.run import first_steps

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
ERRORS = "io.pilotlight.Error."
# Raised before there is a bus, and kept in the log of a build.
NEVER_ON_THE_BUS = {"Settings", "BuildFailed"}


def tracked() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [name for name in listing.stdout.splitlines() if (ROOT / name).exists()]


def map_places() -> list[str]:
    """The places in the first column of the README's map."""
    table = (ROOT / "README.md").read_text().partition("## Where to find what")[2].partition("\n\n##")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    return [place for row in rows for place in re.findall(r"`([^`]+)`", row)]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_readme_links_every_page() -> None:
    text = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES[2:] if f"(docs/{page.name})" not in text] == []


def test_the_map_covers_every_file_and_nothing_that_is_not_there() -> None:
    places = map_places()
    assert [place for place in places if not (ROOT / place).exists()] == []
    folders = tuple(place for place in places if place.endswith("/"))
    assert [name for name in tracked() if name not in places and not name.startswith(folders)] == []
    # One step: a folder with parts of its own has a row for each of them.
    parts = {path.name for path in (ROOT / "daemons/pilotlight").iterdir() if (path / "__init__.py").exists()}
    assert {f"daemons/pilotlight/{part}/" for part in parts} <= set(places)


def error_names() -> set[str]:
    """The names of errors that the daemons define."""
    found = set()
    for path in (ROOT / "daemons/pilotlight").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if [ast.unparse(target) for target in targets] == ["dbus_name"]:
                    texts = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
                    found |= {str(text).removeprefix(ERRORS) for text in texts}
    return found


def test_the_bus_page_lists_every_error_and_no_other() -> None:
    page = (ROOT / "docs/dbus.md").read_text()
    table = page.partition(f"| `{ERRORS}` |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == error_names() - NEVER_ON_THE_BUS


def test_the_bus_page_lists_every_interface() -> None:
    page = (ROOT / "docs/dbus.md").read_text()
    interfaces = [path.stem for path in (ROOT / "daemons/pilotlight").rglob("io.pilotlight.*.xml")]
    assert [name for name in interfaces if f"| `{name}` |" not in page] == []


def test_first_steps_name_board_and_address() -> None:
    text = first_steps("container", "https://localhost:8443")
    assert "Pilotlight runs: https://localhost:8443\n" in text
    assert "connect to localhost:8443," in text
    assert "./build-image.sh shell container" in text
