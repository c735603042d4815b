# SPDX-License-Identifier: Apache-2.0
"""The bytes of docs/segments.md. Expected bytes are written down from that page, not taken from the program."""

import os
import struct
import zlib
from pathlib import Path

from pilotlight.tags import CommandRing, Flags, Quality, SegmentReader, SegmentWriter, Tag, Type

TAGS = [
    Tag("Run", Type.BOOL, flags=Flags.INPUT),
    Tag("Speed", Type.INT, unit="rpm", description="of the shaft"),
    Tag("Name", Type.STRING, 40, flags=Flags.WRITABLE),
    Tag("Level", Type.LREAL, unit="m", flags=Flags.OUTPUT | Flags.RETENTIVE),
]
# Run at 0 (1 byte), Speed at 2, Name at 4 (2 + 40 bytes, to 46), Level at 48: the image has 56 bytes.
TEXTS = b"Run" + b"Speedrpmof the shaft" + b"Name" + b"Levelm"
DIRECTORY = (
    bytes.fromhex("00000000 01000000 01 01 0000 60000000 0300 0000 0000 0000")
    + bytes.fromhex("02000000 02000000 03 00 0000 63000000 0500 0300 0c00 0000")
    + bytes.fromhex("04000000 2a000000 15 08 2800 77000000 0400 0000 0000 0000")
    + bytes.fromhex("30000000 08000000 0f 06 0000 7b000000 0500 0100 0000 0000")
    + TEXTS
)
# The directory has 4 * 24 + 33 = 129 bytes from 512 to 641; the image begins at the next multiple of 64.
IMAGE, STAMPS, QUALITIES, JOURNAL, SLOTS = 704, 768, 800, 832, 64
FILE_SIZE = JOURNAL + SLOTS * 32


def identity(epoch: int) -> bytes:
    counts = (FILE_SIZE, epoch, 4, 512, 129, IMAGE, 56, STAMPS, QUALITIES, JOURNAL, SLOTS)
    checked = b"PLTAGSEG" + struct.pack("<II", 1, 512) + b"".join(struct.pack("<Q", count) for count in counts)
    return checked + struct.pack("<I", zlib.crc32(checked + DIRECTORY))


def make(path: Path) -> SegmentWriter:
    return SegmentWriter.create("golden", TAGS, journal=10, path=path)


def test_identity_and_directory(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    make(path)
    stored = path.read_bytes()
    assert len(stored) == FILE_SIZE
    assert stored[:108] == identity(1)
    assert stored[108:128] == bytes(20)
    assert stored[512:641] == DIRECTORY
    assert stored[641:IMAGE] == bytes(IMAGE - 641)


def test_the_next_epoch(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    first = make(path)
    make(path)
    assert path.read_bytes()[:108] == identity(2)
    old = os.pread(first.fd, FILE_SIZE, 0)
    assert old[:108] == identity(1)
    assert old[192:200] == struct.pack("<II", 1, 1)  # wake, superseded


def test_a_publish(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    writer = make(path)
    created = path.read_bytes()[STAMPS : STAMPS + 8]
    writer.set(0, True)
    writer.set(1, -2)
    writer.set(2, "Grüße aus der Werkhalle 7 und 8")  # 33 bytes
    writer.publish(1000)
    writer.set(3, 1.5, Quality.UNCERTAIN)
    writer.publish(2000)
    stored = path.read_bytes()

    name = struct.pack("<H", 33) + "Grüße aus der Werkhalle 7 und 8".encode() + bytes(7)
    image = b"\x01\x00" + b"\xfe\xff" + name + bytes(2) + bytes.fromhex("000000000000f83f")
    assert stored[IMAGE : IMAGE + 56] == image
    assert stored[STAMPS:QUALITIES] == struct.pack("<qqqq", 1000, 1000, 1000, 2000)
    assert struct.pack("<q", 2000) != created != bytes(8)
    assert stored[QUALITIES : QUALITIES + 4] == bytes([0, 0, 0, 1])

    # The text has 42 bytes: 8 in its first slot, 24 and 10 in two further ones.
    slots = [
        struct.pack("<QqIBBH", 0, 1000, 0, 0, 0, 0) + b"\x01" + bytes(7),
        struct.pack("<QqIBBH", 1, 1000, 1, 0, 0, 0) + b"\xfe\xff" + bytes(6),
        struct.pack("<QqIBBH", 2, 1000, 2, 0, 0, 2) + name[:8],
        struct.pack("<Q", 3 | 1 << 63) + name[8:32],
        struct.pack("<Q", 4 | 1 << 63) + name[32:42] + bytes(14),
        struct.pack("<QqIBBH", 5, 2000, 3, 1, 0, 0) + bytes.fromhex("000000000000f83f"),
    ]
    assert stored[JOURNAL : JOURNAL + 32 * 7] == b"".join(slots) + bytes(32)

    sequence, head, reserved, time_ns = struct.unpack_from("<QQQq", stored, 128)
    assert (sequence, head, reserved, time_ns) == (4, 6, 6, 2000)
    assert stored[192:200] == struct.pack("<II", 2, 0)


def test_a_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    writer = make(path)
    writer.heartbeat(77)
    sequence, beat, deadline = struct.unpack_from("<Qqq", path.read_bytes(), 256)
    assert (sequence, deadline) == (2, 77)
    assert beat > 0


def test_a_reader_of_handmade_bytes(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    words = bytearray(512)
    words[:108] = identity(9)
    struct.pack_into("<QQQqq", words, 128, 6, 1, 1, 5000, 10**18)
    struct.pack_into("<Qqq", words, 256, 4, 4000, 6000)
    image = b"\x01\x00\xfe\xff" + b"\x02\x00ok" + bytes(40) + struct.pack("<d", -0.25)
    values = image.ljust(64, b"\0") + struct.pack("<qqqq", 1, 2, 3, 4) + bytes([0, 1, 2, 3])
    slot = struct.pack("<QqIBBH", 0, 4, 3, 3, 0, 0) + struct.pack("<d", -0.25)
    stored = bytes(words) + DIRECTORY.ljust(IMAGE - 512, b"\0") + values.ljust(JOURNAL - IMAGE, b"\0") + slot
    path.write_bytes(stored.ljust(FILE_SIZE, b"\0"))

    reader = SegmentReader.open("golden", path=path)
    assert reader.epoch == 9
    assert list(reader.directory) == TAGS
    snapshot = reader.snapshot()
    assert snapshot.values() == [True, -2, "ok", -0.25]
    assert [snapshot.stamp(i) for i in range(4)] == [1, 2, 3, 4]
    assert [snapshot.quality(i) for i in range(4)] == [Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.STALE]
    assert (snapshot.sequence, snapshot.time_ns, snapshot.wall_ns(1), snapshot.cursor) == (3, 5000, 10**18 + 1, 1)
    (change,) = reader.changes(0).entries
    assert (change.index, change.value, change.quality, change.stamp_ns) == (3, -0.25, Quality.STALE, 4)
    beat = reader.beat()
    assert (beat.count, beat.time_ns, beat.deadline_ns) == (2, 4000, 6000)


def test_a_command_ring() -> None:
    ring = CommandRing.create(capacity=4, slot=10)
    ring.push(b"stop")
    ring.push(b"0123456789")
    ring.touch(12345)
    ring.pop()
    stored = os.pread(ring.fd, 4096, 0)
    assert len(stored) == 256 + 4 * 16
    assert stored[:20] == b"PLCMRING" + struct.pack("<III", 1, 4, 10)
    assert [struct.unpack_from("<Q", stored, at)[0] for at in (64, 128, 192)] == [2, 1, 12345]
    assert stored[256:288] == b"\x04\0\0\0stop".ljust(16, b"\0") + b"\x0a\0\0\x000123456789".ljust(16, b"\0")
