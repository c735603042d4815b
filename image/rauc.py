# SPDX-License-Identifier: Apache-2.0
"""RAUC, the program that installs updates, compiled from its released source for the appliance's architecture.

The suite's own RAUC cannot open a verified bundle on the kernel of the appliance; the next suite's package wants newer
libraries. The source is that package's, fetched from the same mirror and checked by its digest.
"""

import shutil
from pathlib import Path

from image import apt, host, mirror
from image.errors import BuildError
from image.modules import UNPACK
from image.steps import CACHE, Artefact, Input, Log, remove, step
from image.tools import Tools, tools

VERSION = "1.15.2"
LICENCE = "LGPL-2.1-or-later"
FILE = f"rauc_{VERSION}.orig.tar.xz"
SHA256 = "127a24cde208c65b837ae978c695a00730f1094ee8b6c7d48cf58ef846eae340"
PLACE = f"pool/main/r/rauc/{FILE}"  # below the archive's address
PROCESSORS = {"amd64": "x86_64", "arm64": "aarch64"}

# Bundles are made by the tools root; nothing on an appliance makes one.
OPTIONS = [
    "--prefix=/usr", "--libdir=lib", "--libexecdir=lib/rauc", "--buildtype=release", "--wrap-mode=nodownload",
    "-Dcreate=false", "-Dservice=true", "-Dstreaming=true", "-Dtests=false", "-Dmanpages=false", "-Dhtmldocs=false",
    "-Dsystemdunitdir=/usr/lib/systemd/system", "-Dsystemdcatalogdir=/usr/lib/systemd/catalog",
    "-Ddbuspolicydir=/usr/share/dbus-1/system.d", "-Ddbussystemservicedir=/usr/share/dbus-1/system-services",
    "-Ddbusinterfacesdir=/usr/share/dbus-1/interfaces",
]  # fmt: skip
COMPILE = "meson setup {options} --cross-file {cross} {build} {source} && ninja -C {build}"


def cross_file(arch: str, sysroot: Path, work: Path) -> str:
    """What meson needs to know to compile against `sysroot`: the same on every host, native or not."""
    triplet = host.TRIPLETS[arch]
    libraries = [f"{sysroot}/usr/lib/{triplet}", f"{sysroot}/usr/lib"]
    linking = [f"--sysroot={sysroot}", *(f"-Wl,-rpath-link={path}" for path in libraries)]
    return f"""\
[binaries]
c = '{triplet}-gcc-14'
strip = '{triplet}-strip'
pkg-config = 'pkgconf'

[built-in options]
c_args = {[f"--sysroot={sysroot}", f"-ffile-prefix-map={work}=."]}
c_link_args = {linking}

[properties]
sys_root = '{sysroot}'
pkg_config_libdir = {[f"{libraries[0]}/pkgconfig", f"{sysroot}/usr/share/pkgconfig"]}

[host_machine]
system = 'linux'
cpu_family = '{PROCESSORS[arch]}'
cpu = '{PROCESSORS[arch]}'
endian = 'little'
"""


def source() -> Path:
    """The released source, in the pool of packages; fetched by the host's apt. Raises BuildError."""
    target = apt.POOL / f"{SHA256[:16]}_{FILE}"

    def make(place: Path, log: Log) -> None:
        archive = mirror.find().archive
        log.run(["/usr/lib/apt/apt-helper", "-q", "download-file", f"{archive}/{PLACE}", place, f"SHA256:{SHA256}"])

    return step(f"fetch rauc {VERSION}", inputs=[SHA256], output=target, make=make).path


def rauc_for(arch: str) -> Artefact:
    """What is laid over an appliance's root: the program, its unit, and its files for the bus. Raises BuildError."""
    use = tools("disk")
    headers = apt.fetch("rauc", ["rauc"], arch, base=False)
    archive = source()

    def make(target: Path, log: Log) -> None:
        work = target.with_suffix(".work")
        remove(work)
        try:
            compile_source(log, use, arch, archive, headers.path, work)
            use.run(log, ["env", f"DESTDIR={target}", "meson", "install", "--strip", "-C", work / "build"])
            licence = target / "usr/share/doc/rauc"
            licence.mkdir(parents=True)
            shutil.copyfile(work / "source/COPYING", licence / "copyright")
        finally:
            remove(work)
        if not (target / "usr/bin/rauc").is_file():
            raise BuildError("RAUC was compiled but installed no program: see the log")

    inputs: list[Input] = [Path(__file__), archive, headers, use.root, arch]
    return step(f"rauc {arch}", inputs=inputs, output=CACHE / f"rauc-{arch}", make=make)


def compile_source(log: Log, use: Tools, arch: str, archive: Path, headers: Path, work: Path) -> None:
    """Compile the source in the folder `work`; the result is in its `build`."""
    tree, sysroot, cross = work / "source", work / "sysroot", work / "cross.ini"
    tree.mkdir(parents=True)
    sysroot.mkdir()
    log.run(["tar", "--extract", "--xz", "--file", archive, "--directory", tree, "--strip-components=1"])
    use.run(log, ["sh", "-c", UNPACK, "unpack", sysroot, *sorted(headers.glob("*.deb"))])
    for name in ("lib", "lib64"):
        if not (sysroot / name).exists():
            (sysroot / name).symlink_to(f"usr/{name}")
    cross.write_text(cross_file(arch, sysroot, work))
    words = COMPILE.format(options=" ".join(OPTIONS), cross=cross, build=work / "build", source=tree)
    use.run(log, ["sh", "-ec", words])
