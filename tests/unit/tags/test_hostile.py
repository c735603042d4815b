# SPDX-License-Identifier: Apache-2.0
"""Whatever a segment holds, a reader ends with a value or with an exception of ours: it never dies.

The mutations run in a child process, so that a crash of the reader is a failed test and not the end of the tests.
"""

import os
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pilotlight.tags import CommandRing, SegmentDamaged, SegmentError, SegmentReader, SegmentWriter, Tag, Type

TAGS = [Tag(f"Tag{i}", kind, 30 if kind is Type.STRING else 0, "m", "what it is") for i, kind in enumerate(Type)]
WORDS = {"sequence": 128, "head": 136, "reserved": 144, "wake": 192, "superseded": 196, "beat": 256}


def prepared(path: Path) -> bytes:
    writer = SegmentWriter.create("target", TAGS, journal=64, path=path)
    for value in range(40):
        writer.set(2, value)
        writer.set(len(TAGS) - 1, f"number {value}")
        writer.publish()
    writer.close()
    return path.read_bytes()


def use(reader: SegmentReader) -> None:
    for action in (
        lambda: reader.snapshot().values(),
        lambda: [*map(reader.snapshot().reading, range(len(reader.directory)))],
        lambda: reader.changes(0),
        lambda: reader.changes(2**63),
        lambda: reader.changes(None),
        lambda: reader.wait(0),
        reader.current,
        reader.beat,
    ):
        try:
            action()
        except SegmentError:
            continue


def mutate_and_read(folder: Path, seed: int, rounds: int) -> None:
    """Damage the file before it is opened, and again while it is mapped; read it each time."""
    good = prepared(folder / "segment")
    path = folder / "damaged"
    chance = random.Random(seed)
    for turn in range(rounds):
        damaged = bytearray(good)
        # Half of the rounds keep the identity and the directory, so that reading goes beyond opening.
        lowest = 128 if turn % 2 else 0
        for _ in range(chance.choice((1, 2, 8, 60))):
            at = chance.randrange(lowest, len(damaged) - 8)
            if lowest and at + 8 >= 512 and at < 512 + 24 * len(TAGS) + 600:
                continue
            damaged[at : at + 8] = chance.choice((chance.randbytes(8), b"\xff" * 8, bytes(8), b"\0" * 7 + b"\x80"))
        path.write_bytes(damaged if turn % 5 else damaged[: chance.randrange(len(damaged))])
        try:
            reader = SegmentReader.open("damaged", path=path)
        except SegmentError:
            continue
        use(reader)
        with path.open("r+b") as file:
            for at in WORDS.values():
                file.seek(at)
                file.write(chance.choice((b"\xff" * 8, chance.randbytes(8), struct.pack("<Q", 2), bytes(8))))
        use(reader)
        os.truncate(path, chance.choice((0, 1, 100, 4096)))
        use(reader)
        reader.close()


def test_a_reader_survives_any_damage(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from {__name__} import mutate_and_read as m; m(Path({str(tmp_path)!r}), 1, 150)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}


def test_a_segment_cut_short_under_its_readers(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    prepared(path)
    reader = SegmentReader.open("target", path=path)
    os.truncate(path, 0)
    actions: list[Callable[[], object]] = [
        reader.snapshot,
        lambda: reader.changes(0),
        lambda: reader.wait(0),
        reader.beat,
    ]
    assert reader.current() is False
    for action in actions:
        with pytest.raises(SegmentDamaged, match="cut short"):
            action()


def test_a_new_epoch_after_one_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    prepared(path)
    reader = SegmentReader.open("target", path=path)
    os.truncate(path, 0)
    SegmentWriter.create("target", TAGS, path=path)
    reader.reopen()
    assert reader.snapshot().sequence == 0


def test_every_byte_of_identity_and_directory_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    SegmentWriter.create("target", TAGS[18:], path=path, journal=64)
    good = path.read_bytes()
    size = struct.unpack_from("<Q", good, 48)[0]
    for at in [*range(108), *range(512, 512 + size)]:
        damaged = bytearray(good)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(SegmentDamaged):
            SegmentReader.open("target", path=path)


@pytest.mark.parametrize("at", [16, *range(32, 104, 8)])
def test_a_well_signed_identity_that_contradicts_itself_is_refused(tmp_path: Path, at: int) -> None:
    path = tmp_path / "segment"
    good = prepared(path)
    size = struct.unpack_from("<Q", good, 48)[0]
    value = struct.unpack_from("<Q", good, at)[0]
    for wrong in (0, 1, value - 64, value - 1, value + 1, value + 64, 2 * value, 2**32, 2**63, 2**64 - 1):
        damaged = bytearray(good)
        struct.pack_into("<Q", damaged, at, wrong % 2**64)
        directory = damaged[512 : 512 + (wrong if at == 48 and wrong < 10**5 else size)]
        struct.pack_into("<I", damaged, 104, zlib.crc32(directory, zlib.crc32(damaged[:104])))
        path.write_bytes(damaged)
        with pytest.raises(SegmentDamaged):
            SegmentReader.open("target", path=path)


def test_a_bus_error_of_someone_else_still_kills(tmp_path: Path) -> None:
    code = (
        "import mmap, os; from pathlib import Path; from pilotlight.tags import *;"
        f"p = Path({str(tmp_path / 'segment')!r}); w = SegmentWriter.create('x', [Tag('A', Type.INT)], path=p);"
        "r = SegmentReader.open('x', path=p); f = open(p, 'r+b'); m = mmap.mmap(f.fileno(), 0);"
        "f.truncate(0); m[0]"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, timeout=60, check=False)
    assert done.returncode == -7, done.stderr.decode()


def test_a_ring_with_a_hostile_tail_and_lengths() -> None:
    ring = CommandRing.create(capacity=4, slot=16)
    os.pwrite(ring.fd, struct.pack("<Q", 2**63), 128)
    for _ in range(10):
        ring.push(b"x" * 16)
    os.pwrite(ring.fd, struct.pack("<QQ", 7, 0), 64)
    os.pwrite(ring.fd, b"\xff" * 64, 256)
    os.pwrite(ring.fd, struct.pack("<Q", 5), 128)
    with pytest.raises(ValueError, match="longer than its slot"):
        ring.pop()
    with pytest.raises(ValueError, match="longer than its slot"):
        ring.pop()
    assert ring.pop() is None


@pytest.mark.parametrize("header", [b"", b"x" * 20, b"PLCMRING" + struct.pack("<III", 2, 4, 8)])
def test_what_is_no_ring_is_refused(header: bytes) -> None:
    fd = os.memfd_create("no-ring")
    os.pwrite(fd, header, 0)
    with pytest.raises(SegmentDamaged):
        CommandRing.attach(fd)
    os.close(fd)


@pytest.mark.parametrize(("capacity", "slot"), [(0, 8), (3, 8), (131072, 8), (4, 0), (4, 65537), (65536, 65536)])
def test_a_ring_larger_than_its_memory_is_refused(capacity: int, slot: int) -> None:
    fd = os.memfd_create("ring")
    os.pwrite(fd, b"PLCMRING" + struct.pack("<III", 1, capacity, slot), 0)
    os.ftruncate(fd, 4096)
    with pytest.raises(SegmentDamaged):
        CommandRing.attach(fd)
    os.close(fd)
