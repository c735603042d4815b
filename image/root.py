# SPDX-License-Identifier: Apache-2.0
"""The root file system of a board: Debian's packages, our files over them, our daemons in them. Without a kernel."""

import shutil
import tomllib
from pathlib import Path

from image import keys, rauc, update_settings, version
from image.config import Board
from image.daemons import daemons_for
from image.parallel import together
from image.steps import BUILD, PROJECT, Artefact, Input, Log, remove, step
from image.system import compile_modules, system_for
from image.tools import Tools, tools

ROOTFS = PROJECT / "rootfs"
UNITS = PROJECT / "units"
PYTHON = Path("usr/lib/python3/dist-packages")
FACTORY = Path("usr/share/pilotlight/etc")

# Where the files of units/ go.
PLACES = {
    "activation": "usr/share/dbus-1/system-services",
    "dbus": "usr/share/dbus-1/system.d",
    "preset": "usr/lib/systemd/system-preset",
    "systemd": "usr/lib/systemd/system",
    "sysusers": "usr/lib/sysusers.d",
    "tmpfiles": "usr/lib/tmpfiles.d",
}
MOUNT_POINTS = ["boot/config", "data", "etc/pilotlight", "var"]
CONSOLES = ["console-getty.service", "serial-getty@.service"]
AUTOLOGIN = """\
# Development mode: no password on the console.
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200,57600,38400,9600 - ${TERM}
"""
SCRIPT = """\
#!/usr/bin/python3 -I
from {module} import {function}

raise SystemExit({function}())
"""


def root_for(board: Board) -> Artefact:
    """The finished root file system of a board, as a tree; it is mounted read-only.

    Everything that changes at run time is on /data or in memory. Raises BuildError.
    """
    system, daemons = together(lambda: system_for(board), lambda: daemons_for(board))
    use = tools("base")
    own = PROJECT / "bsp" / board.name
    number = version.of_image(board.config)
    updates = updates_for(board)

    def make(target: Path, log: Log) -> None:
        log.run(["cp", "--archive", "--reflink=auto", system.path, target])
        if updates is not None:
            install_updates(log, target, board.name, *updates)
        lay_over(log, ROOTFS, target)
        if (own / "rootfs").exists():
            lay_over(log, own / "rootfs", target)
        install_units(target)
        install_daemons(log, use, daemons.path, target)
        factory_settings(own / "etc", target)
        (target / "usr/lib/os-release").write_text(os_release(number, board.name))
        if board.flag("DEVELOPMENT"):
            log_in_on_console(target)
        finish(log, use, target)

    inputs: list[Input] = [
        Path(__file__), system, daemons, use.root, ROOTFS, UNITS, own / "rootfs", own / "etc", board.name,
        board.flag("DEVELOPMENT"), number, updates, update_settings.system_conf(board.name),
    ]  # fmt: skip
    return step(f"{board.name}: root", inputs=inputs, output=BUILD / board.name / "root", make=make)


def lay_over(log: Log, tree: Path, root: Path) -> None:
    """Copy a tree of files to their places, owned by root, with the modes that a checkout keeps."""
    log.run(
        ["cp", "--recursive", "--no-dereference", "--remove-destination", "--preserve=mode,links", f"{tree}/.", root]
    )
    for path in tree.rglob("*"):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            (root / path.relative_to(tree)).chmod(0o755 if executable else 0o644)


def install_units(root: Path) -> None:
    """Put the files of `units/` where systemd and the bus look for them."""
    for folder in sorted(path for path in UNITS.iterdir() if path.is_dir()):
        place = root / PLACES[folder.name]
        place.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            shutil.copyfile(path, place / path.name)
            (place / path.name).chmod(0o644)


def install_daemons(log: Log, use: Tools, packages: Path, root: Path) -> None:
    """Install the compiled packages, their D-Bus interfaces and their commands."""
    shutil.copytree(packages, root / PYTHON, dirs_exist_ok=True)
    compile_modules(log, use, root, [f"/{PYTHON}/pilotlight"])
    interfaces = root / "usr/share/dbus-1/interfaces"
    interfaces.mkdir(parents=True, exist_ok=True)
    for path in sorted((packages / "pilotlight").rglob("io.pilotlight.*.xml")):
        shutil.copyfile(path, interfaces / path.name)
    for name, text in commands().items():
        command = root / "usr/bin" / name
        command.write_text(text)
        command.chmod(0o755)


def commands() -> dict[str, str]:
    """The scripts of the project's commands, by name."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    places = {name: entry.partition(":") for name, entry in project["scripts"].items()}
    return {name: SCRIPT.format(module=module, function=function) for name, (module, _, function) in places.items()}


def factory_settings(source: Path, root: Path) -> None:
    """Install a board's own settings as what a new device starts with."""
    (root / FACTORY).mkdir(parents=True, exist_ok=True)
    if source.exists():
        for path in sorted(source.iterdir()):
            shutil.copyfile(path, root / FACTORY / path.name)


def updates_for(board: Board) -> tuple[Artefact, Path] | None:
    """The program that installs updates and the certificates it trusts; None for a board without slots."""
    if not board.flag("DISK"):
        return None
    return rauc.rauc_for(board.arch), keys.signing_for(board.config).keyring


def install_updates(log: Log, root: Path, board: str, program: Artefact, keyring: Path) -> None:
    """Install the program that installs updates, its settings and the certificates it trusts."""
    lay_over(log, program.path, root)
    for name, text in (
        (update_settings.SYSTEM, update_settings.system_conf(board)),
        (update_settings.KEYRING, keyring.read_text()),
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        (root / name).chmod(0o644)


def os_release(number: str, board: str) -> str:
    """The text of /usr/lib/os-release."""
    return (
        f'NAME="Pilotlight"\nID=pilotlight\nID_LIKE=debian\nVERSION_ID="{number}"\n'
        f'PRETTY_NAME="Pilotlight {number}"\nVARIANT_ID={board}\n'
        f'IMAGE_ID={update_settings.compatible(board)}\nIMAGE_VERSION="{number}"\n'
    )


def log_in_on_console(root: Path) -> None:
    """Let root in on the consoles without a password."""
    for console in CONSOLES:
        drop_in = root / "usr/lib/systemd/system" / f"{console}.d" / "development.conf"
        drop_in.parent.mkdir(parents=True, exist_ok=True)
        drop_in.write_text(AUTOLOGIN)


def forget_host_keys(root: Path) -> None:
    """Remove the SSH host keys that the package made: each device makes its own."""
    for path in sorted((root / "etc/ssh").glob("ssh_host_*")):
        remove(path)


def finish(log: Log, use: Tools, root: Path) -> None:
    """Make users and enable units as the installed files say; empty what is made anew at each start."""
    remove(root / "var")
    for name in MOUNT_POINTS:
        (root / name).mkdir(parents=True, exist_ok=True)
    use.run(log, ["systemd-sysusers", f"--root={root}"])
    remove(root / "etc/systemd/system")
    (root / "etc/systemd/system").mkdir()
    use.run(log, ["systemctl", f"--root={root}", "preset-all"])
    for name in (
        "etc/passwd-",
        "etc/shadow-",
        "etc/group-",
        "etc/gshadow-",
        "etc/.pwd.lock",
        "etc/resolv.conf.dpkg-old",
    ):
        remove(root / name)
    forget_host_keys(root)
    # A device without a clock starts at the time its image was made, not before its certificates are valid.
    (root / "usr/lib/clock-epoch").touch()
