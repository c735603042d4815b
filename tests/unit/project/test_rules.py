# SPDX-License-Identifier: Apache-2.0
"""The rules of the project's structure, held by reading its files."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "daemons/pilotlight"
DAEMONS = {"runtime", "igniter", "netmon", "web", "orchestrator", "scada", "gateway"}
SHARED = {
    "tags": set[str](),
    "io": {"tags"},
    "plc": {"tags"},
    "daemon": {"tags"},
}


def tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    return [ROOT / line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def imports_of(text: str, at: Path) -> set[str]:
    """Names of the folders of `pilotlight` that the text of the module `at` imports."""
    package = at.relative_to(PACKAGE.parent).with_suffix("").parts
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = ".".join(package[: len(package) - node.level])
            names = [f"{base}.{node.module}" if node.module else base]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "pilotlight":
                names = [f"pilotlight.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("pilotlight.")}
    return found - {"__version__"}


def allowed(folder: str) -> set[str]:
    if folder in DAEMONS:
        return {folder, "tags", "io", "plc", "daemon"}
    return {folder, *SHARED[folder]}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if len(path.relative_to(PACKAGE).parts) > 1)


@pytest.mark.parametrize("module", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_folder_imports_only_what_the_architecture_allows(module: Path) -> None:
    folder = module.relative_to(PACKAGE).parts[0]
    assert imports_of(module.read_text(), module) <= allowed(folder)


def test_the_import_rule_sees_a_breach() -> None:
    text = "\n".join(
        [
            "from pilotlight.daemon import run",
            "from pilotlight import web",
            "import pilotlight.io.gpio",
            "from ..runtime import scan",
        ]
    )
    assert imports_of(text, PACKAGE / "tags/breach.py") - allowed("tags") == {"daemon", "web", "io", "runtime"}


def test_real_time_children_import_nothing_slow() -> None:
    """The scan process holds no D-Bus, HTTP, YAML or asyncio."""
    slow = {"asyncio", "gi", "pydbus", "yaml", "msgspec", "logging", "http", "json"}
    script = f"import sys; import pilotlight.runtime.scan; print(*({slow} & sys.modules.keys()))"
    environment = {"PYTHONPATH": str(ROOT / "daemons")}
    result = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def compiled() -> list[str]:
    modules: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pilotlight"]["compiled"]
    return modules


def heirs(text: str, classes: set[str]) -> set[str]:
    """Names of the classes in the text of a module that derive from one of `classes`, which it imports."""
    tree = ast.parse(text)
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
        if ast.unparse(base).rpartition(".")[2] in classes - own
    }


def test_no_interpreted_class_derives_from_a_compiled_one() -> None:
    """It would work in the tests of the interpreted package, and nowhere else."""
    classes, interpreted = set(), []
    for path in modules():
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        text = path.read_text()
        if name in compiled():
            classes |= {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)}
        else:
            interpreted.append((name, text))
    assert classes
    assert {name: found for name, text in interpreted if (found := heirs(text, classes))} == {}
    assert heirs("class Held(uapi.LineRequest): ...", classes) == {"Held"}


def test_every_compiled_module_exists() -> None:
    assert [name for name in compiled() if not (PACKAGE.parent / f"{name.replace('.', '/')}.py").exists()] == []


def test_every_source_file_names_its_licence() -> None:
    missing = [
        str(path.relative_to(ROOT))
        for path in tracked("*.py", "*.c", "*.h", "*.sh", "*.service", "*.conf", "*.js", "*.css", "*.xml")
        if "SPDX-License-Identifier: Apache-2.0" not in "".join(path.read_text().splitlines(keepends=True)[:3])
        and not str(path.relative_to(ROOT)).startswith("tests/programs/")
    ]
    assert missing == []
