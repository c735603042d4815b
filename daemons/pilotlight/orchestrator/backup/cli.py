# SPDX-License-Identifier: Apache-2.0
"""`pilotlight backup`: makes, shows and restores backups at the console, also when no daemon runs."""

from __future__ import annotations

import argparse
import getpass
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pilotlight.daemon import DaemonError, logger

from .create import create
from .device import described, inspected, now, this_device
from .manifest import BadBackup
from .reading import Backup
from .restore import stage

_EXAMPLES = """\
examples:
  pilotlight backup create /boot/config/press.plb             asks for a passphrase and seals the secrets
  pilotlight backup create --without-secrets - >press.plb     programs and settings only
  pilotlight backup inspect press.plb
  pilotlight backup restore press.plb --restart
"""
log = logger("backup")


def main(arguments: Sequence[str]) -> int:
    """Run the command; 0, or 1 with a sentence on stderr."""
    options = _parser().parse_args(arguments)
    data = Path(os.environ.get("PILOTLIGHT_DATA", "/data"))
    try:
        return int(options.run(options, data))
    except (DaemonError, OSError) as error:
        print(f"pilotlight backup: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pilotlight backup",
        description="Backups of programs, settings, users and keys, in one file. For root.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="create|inspect|restore")
    for name, run, purpose in (
        ("create", _create, "write a backup of this device"),
        ("inspect", _inspect, "check a backup and say what is in it"),
        ("restore", _restore, "check a backup whole, and put it in place at the next start"),
    ):
        verb = verbs.add_parser(name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.")
        verb.add_argument("file", help="the backup" + ("; - for standard output" if name == "create" else ""))
        choice = verb.add_mutually_exclusive_group()
        choice.add_argument("--passphrase-file", metavar="FILE", help="the passphrase is the first line of FILE")
        choice.add_argument("--without-secrets", action="store_true", help="users, keys and enrolment stay out of it")
        if name == "restore":
            verb.add_argument("--restart", action="store_true", help="restart the device at once")
        verb.set_defaults(run=run)
    return parser


def _passphrase(options: argparse.Namespace, *, twice: bool = False) -> str:
    if options.without_secrets:
        return ""
    if options.passphrase_file:
        with Path(options.passphrase_file).open(encoding="utf-8") as file:
            return file.readline().rstrip("\n")
    if not sys.stdin.isatty():
        raise DaemonError("say --passphrase-file FILE or --without-secrets; nothing was done")
    first = getpass.getpass("passphrase: ")
    if twice and getpass.getpass("once more: ") != first:
        raise DaemonError("the two differ; nothing was done")
    return first


def _create(options: argparse.Namespace, data: Path) -> int:
    passphrase = _passphrase(options, twice=True)
    if options.file == "-":
        manifest = create(data, sys.stdout.buffer, this_device(), now(), passphrase)
    else:
        target = Path(options.file)
        aside = target.with_name(f".{target.name}.new")
        try:
            with os.fdopen(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                manifest = create(data, file, this_device(), now(), passphrase)
                os.fsync(file.fileno())
            aside.rename(target)
        finally:
            aside.unlink(missing_ok=True)
    print(described(manifest), file=sys.stderr)
    return 0


def _inspect(options: argparse.Namespace, data: Path) -> int:
    with Path(options.file).open("rb") as file:
        backup = Backup(file)
        sealed = backup.manifest.secret is not None
        passphrase = _passphrase(options) if sealed and (options.passphrase_file or sys.stdin.isatty()) else ""
        refusal = inspected(file, passphrase)["Refusal"]
    print(described(backup.manifest))
    print("whole, and the passphrase fits" if passphrase else "whole" + (", the sealed part as written" * sealed))
    if refusal:
        raise BadBackup(refusal)
    return 0


def _restore(options: argparse.Namespace, data: Path) -> int:
    with Path(options.file).open("rb") as file:
        sealed = Backup(file).manifest.secret is not None
        passphrase = _passphrase(options) if sealed else ""
        manifest = stage(data, file, this_device(), getpass.getuser(), passphrase)
    log.warning("a restore is ready for the next start", event="restore-staged", user=getpass.getuser())
    print(described(manifest))
    if options.restart:
        subprocess.run(["/usr/bin/systemctl", "--no-block", "reboot"], check=True)
        return 0
    print("Checked; it is put in place at the next start: systemctl reboot")
    return 0
