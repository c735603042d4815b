# SPDX-License-Identifier: Apache-2.0
"""A Debian root file system from a directory of packages, by mmdebstrap.

A root for a foreign architecture is installed under qemu-user, with the programs that installation scripts call most
bound in from a native root of the same suite: two minutes instead of sixteen, with the same result.
"""

from collections.abc import Sequence
from pathlib import Path

from image import host, mirror
from image.errors import BuildError
from image.steps import PROJECT, Log

HOOKS = PROJECT / "image" / "hooks"
HELPERS = "/run/helpers"  # in the new root, while it is installed: programs that come before its own
BINFMT = Path("/proc/sys/fs/binfmt_misc")
# Emulating pointer authentication, which qemu-user does by default, takes four fifths of the time.
EMULATED_PROCESSOR = {"arm64": {"QEMU_CPU": "cortex-a76"}}
QEMU_USER = {"amd64": "x86_64", "arm64": "aarch64"}

# Neither is read on an appliance; licences are kept.
EXCLUDED = [
    "/usr/share/bash-completion/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/lintian/*",
    "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/zsh/*",
]  # fmt: skip
INCLUDED = ["/usr/share/doc/*/copyright"]


def install(log: Log, repository: Path, packages: Sequence[str], arch: str, target: Path, native: Path | None) -> None:
    """Install packages (and the essential ones) from a directory that `apt.fetch` made into the new root `target`.

    `native` is a root of the host's architecture that lends its programs; needed where `arch` is not the host's.
    Python modules are left uncompiled (see `compile_modules`).
    """
    options = [f'--aptopt=DPkg::Path "{HELPERS}:/usr/sbin:/usr/bin:/sbin:/bin"', f'--setup-hook={HOOKS}/helpers "$1"']
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
    options += [f"--dpkgopt=path-include={pattern}" for pattern in INCLUDED]
    if arch != host.architecture():
        enable_foreign(log, arch)
        options += [
            f'--extract-hook={HOOKS}/native-path "$1" {native}',
            f'--essential-hook={HOOKS}/native-interpreters "$1" {native}',
            f'--customize-hook={HOOKS}/native-off "$1"',
        ]
    options += [f'--customize-hook=rm -r "$1"{HELPERS}']
    log.run([
        "unshare", "--mount", "--propagation", "private",
        "mmdebstrap", "--mode=root", "--variant=essential", f"--architectures={arch}", "--format=directory",
        "--dpkgopt=force-unsafe-io", "--skip=cleanup/apt", "--verbose",
        *options, f"--include={','.join(packages)}", mirror.SUITE, target, f"deb [trusted=yes] copy://{repository} ./",
    ], env=EMULATED_PROCESSOR.get(arch, {}))  # fmt: skip


def enable_foreign(log: Log, arch: str) -> None:
    """Let the kernel run programs of a foreign architecture by qemu-user. Raises BuildError where that is missing."""
    if not (BINFMT / "register").exists():
        log.run(["mount", "-t", "binfmt_misc", "binfmt_misc", BINFMT])
    name = f"qemu-{QEMU_USER[arch]}"
    if not (BINFMT / name).exists():
        rule = Path(f"/usr/lib/binfmt.d/{name}.conf")
        if not rule.exists():
            raise BuildError(f"this machine cannot run programs for {arch}: install qemu-user-static")
        (BINFMT / "register").write_text(rule.read_text())
