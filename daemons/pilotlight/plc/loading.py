# SPDX-License-Identifier: Apache-2.0
"""Program files of people: Python modules that hold a program, and packages."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from pilotlight.plc.language.program import Program
from pilotlight.plc.language.tag import Tag
from pilotlight.plc.package import PERIOD_NS, Package, with_files


class LoadError(Exception):
    """A file holds no program that can be used; the text says what to change."""


@dataclass(frozen=True)
class Loaded:
    """A program file: the program, and what the module says around it.

    `PERIOD_MS` of the module is the time of a scan, `LINES` its points: `{Button: "%IX0.0"}`. `sources` are its file
    and those it imports from its own folder, by path in that folder.
    """

    path: Path
    program: Program
    period_ns: int
    lines: Mapping[str, str]
    sources: Mapping[str, Path]

    def package(self, name: str) -> Package:
        """The package to build of it; raises PackageError and OSError."""
        paths = {str(path): name for name, path in self.sources.items()}
        sources = {name: path.read_bytes() for name, path in self.sources.items()}
        return Package(name, with_files(self.program.ir, paths), sources, self.period_ns, self.lines)


def load_program(path: Path, name: str = "") -> Loaded:
    """Run a program file and find its program: the one called `name`, or the only one. Raises LoadError."""
    path = path.resolve()
    if not path.is_file():
        raise LoadError(f"there is no file {path}")
    with _importing(path.parent):
        before = set(sys.modules)
        module = _run(path)
        added = [sys.modules[each] for each in sys.modules.keys() - before]
        sources = _sources(path, added)
    program = _program(module, path, name)
    try:
        program.ir  # noqa: B018 - lowering finds what is wrong with the whole
    except (KeyError, ValueError) as error:
        raise LoadError(f"{path.name}: {error.args[0]}") from error
    return Loaded(path, program, _period(module, path), _lines(module, path), sources)


@contextmanager
def _importing(folder: Path) -> Iterator[None]:
    """Let a program import the modules beside it, and forget them afterwards."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for each in sys.modules.keys() - before:
            if _inside(sys.modules[each], folder) is not None:
                del sys.modules[each]


def _inside(module: ModuleType, folder: Path) -> Path | None:
    file = getattr(module, "__file__", None)
    if not file:
        return None
    path = Path(file).resolve()
    return path if path.suffix == ".py" and path.is_relative_to(folder) else None


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise LoadError(f"{path.name} is no Python file: its name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem], kept = module, sys.modules.get(path.stem)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise LoadError(_told(path, error)) from error
    finally:
        if kept is None:
            del sys.modules[path.stem]
        else:
            sys.modules[path.stem] = kept
    return module


def _told(path: Path, error: Exception) -> str:
    """An error of a program file in one line, with the line of the file where it happened."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or path).name}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    frames = [each for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).parent == path.parent]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}: {text}" if frames else f"{path.name}: {text}"


def _program(module: ModuleType, path: Path, name: str) -> Program:
    found = {each: value for each, value in vars(module).items() if isinstance(value, Program)}
    if name:
        if name not in found:
            known = ", ".join(found) or "none"
            raise LoadError(f"{path.name} has no program {name!r}; it has: {known}")
        return found[name]
    programs = list({id(value): value for value in found.values()}.values())
    if not programs:
        raise LoadError(f"{path.name} holds no program: write `with Program() as logic:` at its top level")
    if len(programs) > 1:
        raise LoadError(f"{path.name} holds {len(programs)} programs: choose with --program {' or '.join(found)}")
    return programs[0]


def _period(module: ModuleType, path: Path) -> int:
    period = getattr(module, "PERIOD_MS", PERIOD_NS / 1e6)
    if isinstance(period, bool) or not isinstance(period, (int, float)) or not 0.1 <= period <= 3_600_000:
        raise LoadError(f"{path.name}: PERIOD_MS is {period!r}; give the milliseconds of a scan, 0.1 to 3600000")
    return round(period * 1e6)


def _lines(module: ModuleType, path: Path) -> dict[str, str]:
    lines = getattr(module, "LINES", {})
    if not isinstance(lines, dict) or not all(isinstance(point, str) for point in lines.values()):
        raise LoadError(f'{path.name}: LINES gives points of tags: LINES = {{Button: "%IX0.0"}}')
    return {tag.name if isinstance(tag, Tag) else str(tag): point for tag, point in lines.items()}


def _sources(path: Path, modules: list[ModuleType]) -> dict[str, Path]:
    files = [path, *(file for each in modules if (file := _inside(each, path.parent)) is not None)]
    return {file.relative_to(path.parent).as_posix(): file for file in files}

