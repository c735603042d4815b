# SPDX-License-Identifier: Apache-2.0
"""Takes one file out of a multipart request, piece by piece, into memory that nobody can change
afterwards."""

import asyncio
import fcntl
import os
from dataclasses import dataclass
from pathlib import PurePath

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

FIELD = b"file"
MOST_PARTS = 16
PART_HEADER_BYTES = 8192
OVERHEAD_BYTES = 64 * 1024
"""What a request may be longer than the file in it: boundaries, headers, small fields."""
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

NO_FILE = "No file part in the request"
TOO_LARGE = "File is too large"


class UploadRefused(Exception):
    """The upload is not taken; the text is the reason."""


@dataclass(frozen=True)
class ReceivedFile:
    """A sealed memory file; whoever has it closes `descriptor`."""

    descriptor: int
    name: str
    size: int


class FilePart:
    """Collects the part `file` of a multipart stream and drops all others."""

    def __init__(self, boundary: bytes, limit: int) -> None:
        self._limit = limit
        self._parts = 0
        self._header = [b"", b""]
        self._header_bytes = 0
        self._disposition = b""
        self._wanted = False
        self._complete = False
        self.name = ""
        self.size = 0
        self.found = False
        self.descriptor = os.memfd_create("upload", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": lambda data, start, end: self._header_data(0, data[start:end]),
                "on_header_value": lambda data, start, end: self._header_data(1, data[start:end]),
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_end": self._ends,
            },
        )

    def feed(self, data: bytes) -> None:
        """The next piece of the request; UploadRefused when it cannot be taken."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise UploadRefused(f"Unexpected error: the request is not proper multipart data ({error})") from None

    def finish(self) -> ReceivedFile:
        """The file, sealed; UploadRefused when the request held none or was cut off."""
        if not self._complete:
            raise UploadRefused("Unexpected error: the upload was cut off before its end" if self.found else NO_FILE)
        if not self.found:
            raise UploadRefused(NO_FILE)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)
        return ReceivedFile(self.descriptor, self.name, self.size)

    def _part_begins(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise UploadRefused(f"Unexpected error: more than {MOST_PARTS} parts in the request")
        self._header_bytes = 0
        self._disposition = b""
        self._header = [b"", b""]

    def _header_data(self, which: int, data: bytes) -> None:
        self._header_bytes += len(data)
        if self._header_bytes > PART_HEADER_BYTES:
            raise UploadRefused("Unexpected error: the headers of a part are too long")
        self._header[which] += data

    def _header_ends(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = [b"", b""]

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._disposition)
        self._wanted = kind == b"form-data" and options.get(b"name") == FIELD and b"filename" in options
        if self._wanted:
            if self.found:
                raise UploadRefused("Unexpected error: more than one file in the request")
            self.found = True
            self.name = program_name(options[b"filename"].decode("utf-8", "replace"))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._wanted:
            return
        self.size += end - start
        if self.size > self._limit:
            raise UploadRefused(TOO_LARGE)
        view = memoryview(data)[start:end]
        while view:
            view = view[os.write(self.descriptor, view) :]

    def _ends(self) -> None:
        self._complete = True


def program_name(filename: str) -> str:
    """A name to show for an uploaded file: no folders, no `.zip` or `.plz`, printable, at most 64 characters."""
    base = PurePath(filename.replace("\\", "/")).name
    stem = base[:-4] if base.lower().endswith((".zip", ".plz")) else base
    return "".join(character for character in stem if character.isprintable())[:64] or "program"


async def receive_file(request: Request, limit: int, seconds: float) -> ReceivedFile:
    """Reads the request's one file of at most `limit` bytes within `seconds`; UploadRefused with the reason
    otherwise.

    A request that announces more than the limit is refused before any of it is read.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not 0 < len(options.get(b"boundary", b"")) <= 200:
        raise UploadRefused(NO_FILE)
    announced = request.headers.get("content-length", "0")
    if not announced.isdigit() or len(announced) > 15 or int(announced) > limit + OVERHEAD_BYTES:
        raise UploadRefused(TOO_LARGE)
    part = FilePart(options[b"boundary"], limit)
    try:
        async with asyncio.timeout(seconds):
            taken = 0
            async for piece in request.stream():
                taken += len(piece)
                if taken > limit + OVERHEAD_BYTES:
                    raise UploadRefused(TOO_LARGE)
                part.feed(piece)
        return part.finish()
    except TimeoutError:
        os.close(part.descriptor)
        raise UploadRefused(f"Unexpected error: the upload took longer than {seconds:.0f} s") from None
    except BaseException:
        os.close(part.descriptor)
        raise
