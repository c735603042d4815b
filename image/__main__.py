# SPDX-License-Identifier: Apache-2.0
"""The verbs of `build-image.sh`."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType

from image import apt, config, keys, locking, run
from image.blockmap import parse as parse_map
from image.disk import build as build_disk
from image.errors import BuildError
from image.flash import flash, look, refusal, size_text
from image.outputs import outputs_for
from image.progress import progress
from image.root import root_for
from image.steps import BUILD, PROJECT, remove
from image.tools import environment, tools

KEYS = keys.HOME.name

EPILOG = """\
verbs
  menuconfig     choose the board and everything else in a menu; kept in build/config
  build [BOARD]  make the image of a board: its root file system, or its whole disk
  flash DEVICE [BOARD]  erase a disk of this machine and write the board's image to it; shows what is there, asks, and
                 reads back what it wrote. --yes asks nothing
  keys           make development keys for update bundles in build/keys; --force puts the ones that are there aside
  run [BOARD]    build it if need be, and start it; Ctrl-C ends it
  shell [BOARD]  a root shell in the running container, or in one started for it; for other boards: their serial console
  clean          remove everything that was built (downloads are kept; 'clean all' removes these too). Keys are kept
  lock           resolve every package anew and write image/packages.lock
  help           this text

boards: {boards} (without one: {default})

Everything made is in build/. Packages come from the Debian mirror that this machine's apt uses; PILOTLIGHT_MIRROR names
another one. A plain build goes on with current packages where the mirror has no locked ones any more, and says so.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="build-image.sh",
        description="Build and run the Pilotlight image.",
        usage="./build-image.sh VERB [BOARD] [--locked] [--port PORT] [--yes] [--force]",
        epilog=EPILOG.format(boards=", ".join(config.boards()), default=config.chosen_board()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = ["menuconfig", "build", "flash", "keys", "run", "shell", "clean", "lock", "help"]
    made.add_argument("verb", choices=verbs, metavar="VERB", help="what to do; see below")
    made.add_argument(
        "words", nargs="*", metavar="BOARD", help="for which board; for clean: 'all'; for flash: the disk"
    )
    made.add_argument("--locked", action="store_true", help="fail unless every package is exactly as locked")
    made.add_argument(
        "--port", type=int, default=8443, help="port of this machine for the appliance's web (default 8443)"
    )
    made.add_argument("--yes", action="store_true", help="flash: ask nothing")
    made.add_argument("--force", action="store_true", help="keys: make new ones though there are some")
    return made


def menuconfig() -> None:
    """Let the user choose; keep only what differs from the defaults."""
    use = tools("base")
    full = BUILD / "menu.config"
    source = config.CHOSEN if config.CHOSEN.exists() else config.defconfig(config.DEFAULT_BOARD)
    full.write_text(source.read_text())
    command = use.argv(
        ["env", f"KCONFIG_CONFIG={full}", "MENUCONFIG_STYLE=aquatic", "python3", "-m", "menuconfig", "Kconfig"]
    )
    terminal = {"TERM": os.environ.get("TERM", "linux")}
    subprocess.run(command, cwd=PROJECT, env=environment() | terminal, check=True)
    minimal = use.argv(["python3", PROJECT / "image" / "kconfig.py", "minimal", full, config.CHOSEN])
    subprocess.run(minimal, cwd=PROJECT, env=environment(), check=True)
    for path in (full, full.with_name(full.name + ".old")):
        remove(path)
    print(
        f"chosen: {config.chosen_board()} (kept in {config.CHOSEN.relative_to(PROJECT)}); now: ./build-image.sh build"
    )


def words_of(options: argparse.Namespace) -> tuple[str | None, str | None]:
    """The disk and the board (or `all`) of a command line. Raises BuildError for too many or too few words."""
    words = list(options.words)
    device = None
    if options.verb == "flash":
        if not words:
            raise BuildError("name the disk to erase: ./build-image.sh flash /dev/sdX cm5")
        device = words.pop(0)
    if len(words) > 1:
        raise BuildError(f"'{words[1]}' is one word too many for {options.verb}: see './build-image.sh help'")
    return device, words[0] if words else None


def build(name: str) -> None:
    """Make a board's image and say where it is."""
    board = config.load(name)
    root = root_for(board)
    if not board.flag("DISK"):
        print(f"root file system: {root.path}\nstart it with:    ./build-image.sh run {name}")
        return
    made = outputs_for(board, root, build_disk(board, root))
    print(f"{made.folder}:")
    for path in sorted(made.folder.iterdir()):
        print(f"  {path.name} ({size_text(path.stat().st_size)})")
    start = f"run {name}" if name.startswith("qemu-") else f"flash DEVICE {name}"
    print(f"start it with: ./build-image.sh {start}")


def write_disk(device: str, name: str, *, yes: bool) -> None:
    """Erase a disk of this machine and write a board's image to it, built if need be."""
    # Before a long build for a disk that is refused then.
    if reason := refusal(look(device), 0):
        raise BuildError(f"{reason}. Nothing was written")
    board = config.load(name)
    if not board.flag("DISK"):
        raise BuildError(f"{name} has no disk image: name the board, as in './build-image.sh flash {device} cm5'")
    root = root_for(board)
    disk = build_disk(board, root)
    made = outputs_for(board, root, disk)
    flash(disk.image.path, parse_map(made.path(".bmap").read_text()), device, yes=yes)
    print(f"{device} holds {made.stem}, written and verified")


def clean(what: str | None) -> None:
    """Remove what was built; with `all` the downloads and the choices of menuconfig too."""
    if what not in (None, "all"):
        raise BuildError(f"'clean {what}' is unknown: say 'clean' or 'clean all'")
    if BUILD.exists():
        for path in sorted(BUILD.iterdir()):
            if path.name.partition(".")[0] != KEYS and (what == "all" or path.name not in ("cache", "config")):
                remove(path)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; 0, 1 when it could not be done (the reason is on stderr), 2 for a usage error."""
    command = parser()
    options = command.parse_intermixed_args(arguments)
    apt.Locked.insist = options.locked
    try:
        device, word = words_of(options)
        board = word or config.chosen_board()
        if options.verb == "help":
            command.print_help()
        elif options.verb == "menuconfig":
            menuconfig()
        elif options.verb == "build":
            build(board)
        elif device is not None:
            write_disk(device, board, yes=options.yes)
        elif options.verb == "keys":
            print(f"development keys: {keys.renew(force=options.force)}")
        elif options.verb == "run":
            return run.run(board, options.port)
        elif options.verb == "shell":
            return run.shell(board)
        elif options.verb == "clean":
            clean(word)
        elif options.verb == "lock":
            locking.renew()
    except BuildError as error:
        progress.say(f"{error}")
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode
    except KeyboardInterrupt:
        progress.say("interrupted; what was finished is kept")
        return 130
    return 0


def interrupt(number: int, frame: FrameType | None) -> None:
    """End in good order when the terminal or a supervisor says so."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    sys.exit(main(sys.argv[1:]))
