# SPDX-License-Identifier: Apache-2.0
"""Update bundles made from the built slot: good ones, faulty ones, and ones that must be refused.

Most faults are in the boot file system alone, in the kernel's command line if possible: such a bundle is made in a
second and carries no root file system. The slot that it goes to has the right one from the update before.
"""

import base64
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from image import boot_files, initramfs, keys
from image.kernel import Kernel
from image.slot import EPOCH, INIT, board_list
from image.steps import BUILD, CACHE, Artefact, Log, step
from image.tools import tools

BOARD = "qemu-arm64"
HOME = BUILD / BOARD
LABEL = "bundles"
NEWER, NEWEST, OLDER = "99.0.0", "99.1.0", "0.0.1"
QUICK_GATE = "[Service]\nExecStart=\nExecStart=/usr/bin/python3 -I -m pilotlight.orchestrator.health --deadline 20\n"
SILENT_WEB = """\
[Service]
NotifyAccess=all
WatchdogSec=0
ExecStart=
ExecStart=/bin/sh -c 'systemd-notify --ready; exec sleep infinity'
"""
HANGING_GATE = "[Service]\nExecStart=\nExecStart=/bin/sleep infinity\n"
SOON = "[Timer]\nOnBootSec=\nOnBootSec=90s\n"
# What the unit may write comes before what is hidden from it, so that has to go.
FORGETFUL_RUNTIME = """\
[Service]
ReadWritePaths=
ReadWritePaths=/run/pilotlight
TemporaryFileSystem=/data/pilotlight/runtime:mode=0777
"""
CRASHING_NETMON = "[Service]\nExecStart=\nExecStart=/bin/false\n"


@dataclass(frozen=True)
class Wanted:
    """A bundle to make: what is on the command line or in place of the boot files, and who signs for which board."""

    version: str = NEWEST
    words: str = ""
    drop_ins: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    root: bool = False
    board: str = BOARD
    signer: str = "signing"
    tampered: bool = False
    kept: float = 1.0  # share of the file that is there


WANTED = {
    "good": Wanted(NEWER, root=True),
    "again": Wanted(NEWEST),
    "older": Wanted(OLDER),
    "silent-web": Wanted(drop_ins=(("pilotlight-web.service", SILENT_WEB), ("pilotlight-health.service", QUICK_GATE))),
    "crash-loop": Wanted(
        drop_ins=(("pilotlight-netmon.service", CRASHING_NETMON), ("pilotlight-health.service", QUICK_GATE))
    ),
    "program-gone": Wanted(
        drop_ins=(("pilotlight-runtime.service", FORGETFUL_RUNTIME), ("pilotlight-health.service", QUICK_GATE))
    ),
    "gate-hangs": Wanted(drop_ins=(("pilotlight-health.service", HANGING_GATE), ("pilotlight-trial-end.timer", SOON))),
    "emergency": Wanted(words="systemd.unit=emergency.target"),
    "panic": Wanted(words="rdinit=/nothing"),
    "hang": Wanted(files=("initramfs",)),
    "no-kernel": Wanted(files=("kernel",)),
    "wrong-key": Wanted(signer="stranger"),
    "expired": Wanted(signer="expired"),
    "wrong-board": Wanted(board="cm5"),
    "truncated": Wanted(kept=0.6),
    "tampered": Wanted(tampered=True),
}


def drop_in(unit: str, text: str) -> str:
    """The word on the command line that gives a unit a drop-in."""
    encoded = base64.b64encode(text.encode()).decode()
    return f"systemd.set_credential_binary=systemd.unit-dropin.{unit}:{encoded}"


def make_all() -> Artefact:
    """A file system with every bundle, for a machine to mount. Made when the slot has changed."""
    use = tools("disk")

    def make(target: Path, log: Log) -> None:
        work = target.with_suffix(".work")
        shutil.rmtree(work, ignore_errors=True)
        (work / "made").mkdir(parents=True)
        signers = make_signers(work, log)
        for name, wanted in WANTED.items():
            make_one(work, name, wanted, signers, log)
        use.run(log, ["mkfs.erofs", "--quiet", f"-L{LABEL}", target, work / "made"])
        shutil.rmtree(work)

    slot = [Path(f"{HOME / name}.key") for name in ("boot.img", "slot")]
    return step("bundles for tests", inputs=[Path(__file__), INIT, *slot], output=HOME / "test-bundles", make=make)


def make_one(work: Path, name: str, wanted: Wanted, signers: dict[str, tuple[Path, Path]], log: Log) -> None:
    """Make one bundle `work/made/NAME.raucb`."""
    use, content, made = tools("disk"), work / name, work / "made" / f"{name}.raucb"
    content.mkdir()
    boot = content / "boot.img"
    subprocess.run(["cp", "--sparse=always", HOME / "boot.img", boot], check=True)
    for file, data in changes(wanted, work, log).items():
        (content / "new").write_bytes(data)
        use.run(log, ["mcopy", "-o", "-i", boot, content / "new", f"::{file}"], env={"MTOOLS_SKIP_CHECK": "1"})
        (content / "new").unlink()
    images = "\n[image.boot]\nfilename=boot.img\n"
    if wanted.root:
        (content / "root.img").hardlink_to(HOME / "slot/root.img")
        images += "\n[image.rootfs]\nfilename=root.img\n"
    (content / "manifest.raucm").write_text(
        f"[update]\ncompatible=pilotlight-{wanted.board}\nversion={wanted.version}\n\n[bundle]\nformat=verity\n{images}"
    )
    key, certificate = signers[wanted.signer]
    squashfs = "--mksquashfs-args=-comp lz4 -processors 2"
    use.run(log, ["rauc", "bundle", f"--cert={certificate}", f"--key={key}", squashfs, content, made])
    shutil.rmtree(content)
    if wanted.kept < 1:
        with made.open("r+b") as file:
            file.truncate(int(made.stat().st_size * wanted.kept))
    if wanted.tampered:
        with made.open("r+b") as file:
            file.seek(made.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, 1)
            file.write(bytes([byte[0] ^ 1]))


def changes(wanted: Wanted, work: Path, log: Log) -> dict[str, bytes]:
    """The boot files that a bundle has instead of the built ones."""
    words = [wanted.words, *(drop_in(unit, text) for unit, text in wanted.drop_ins)]
    changed = {}
    if any(words):
        for name in boot_files.CMDLINES.values():
            line = (HOME / "boot" / name).read_text().strip()
            changed[name] = " ".join([line, *filter(None, words)]).encode() + b"\n"
    if "kernel" in wanted.files:
        changed[boot_files.KERNEL] = bytes(1 << 20)
    if "initramfs" in wanted.files:
        changed[boot_files.INITRAMFS] = hanging_initramfs(work, log)
    return changed


def hanging_initramfs(work: Path, log: Log) -> bytes:
    """The initramfs of the board, which stops for ever when it has loaded its modules."""
    script, plain, packed = work / "init.sh", work / "initramfs.cpio", work / "initramfs.zst"
    script.write_text(INIT.read_text().replace("\nwatch\n", "\nwatch\nwhile :; do sleep 1; done\n", 1))
    modules = board_list(BOARD, "initramfs-modules")
    plain.write_bytes(initramfs.build(Kernel.find(CACHE / "kernel-arm64"), modules, script, EPOCH))
    tools("disk").run(log, ["zstd", "-q", "-f", "-1", plain, "-o", packed])
    return packed.read_bytes()


def make_signers(work: Path, log: Log) -> dict[str, tuple[Path, Path]]:
    """Key and certificate of those who sign: the build's own, a stranger, and one whose certificate has expired."""
    own = keys.signing_for({})
    signers = {"signing": (Path(own.key), own.certificate)}
    openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch"]
    stranger = (work / "stranger.key", work / "stranger.crt")
    code = ["-addext", "extendedKeyUsage=codeSigning", "-addext", "keyUsage=digitalSignature"]
    tools("disk").run(log, [*openssl, "-subj", "/CN=stranger", *code, "-keyout", stranger[0], "-out", stranger[1]])
    expired = work / "expired.crt"
    request = work / "expired.csr"
    tools("disk").run(log, ["openssl", "req", "-new", "-key", own.key, "-subj", "/CN=expired", "-out", request])
    (work / "expired.ext").write_text("extendedKeyUsage=critical,codeSigning\nkeyUsage=critical,digitalSignature\n")
    authority = keys.HOME
    tools("disk").run(log, [
        "openssl", "x509", "-req", "-in", request, "-CA", authority / "authority.crt", "-CAkey",
        authority / "authority.key", "-not_before", "20200101000000Z", "-not_after", "20200201000000Z",
        "-set_serial", "99", "-extfile", work / "expired.ext", "-out", expired,
    ])  # fmt: skip
    return {**signers, "stranger": stranger, "expired": (Path(own.key), expired)}
