# SPDX-License-Identifier: Apache-2.0
"""Messages of the Debug Adapter Protocol: a header with the length, an empty line, JSON."""

from __future__ import annotations

from typing import Any, BinaryIO

import msgspec

LONGEST_HEADER = 1024
"""Bytes of one header line."""
MOST_HEADERS = 16
LONGEST_BODY = 8 * 1024 * 1024
"""Bytes of JSON in one message."""


class ProtocolError(Exception):
    """What came in is no message, and it cannot be told where the next one begins."""


class Request(msgspec.Struct):
    """A request of the client."""

    seq: int
    command: str
    type: str = "request"
    arguments: dict[str, Any] = {}


class Malformed(msgspec.Struct):
    """A message with a body that is no request."""

    why: str


Message = Request | Malformed


def read_message(stream: BinaryIO) -> Message | None:
    """The next message, None at the end of the stream. Raises ProtocolError."""
    length = _length(stream)
    if length is None:
        return None
    body = stream.read(length)
    if len(body) < length:
        return None
    try:
        request = msgspec.json.decode(body, type=Request)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError) as error:
        return Malformed(str(error))
    return request if request.type == "request" else Malformed(f"a message of type {request.type!r}")


def _length(stream: BinaryIO) -> int | None:
    length = None
    for _ in range(MOST_HEADERS):
        line = stream.readline(LONGEST_HEADER)
        if not line.endswith(b"\n") and len(line) < LONGEST_HEADER:
            return None
        if not line.endswith(b"\n"):
            raise ProtocolError(f"a header line has no end within {LONGEST_HEADER} bytes")
        text = line.strip()
        if not text:
            if length is None:
                raise ProtocolError("a message without Content-Length")
            return length
        name, _, value = text.partition(b":")
        if name.strip().lower() == b"content-length":
            if not value.strip().isdigit() or len(value) > 12 or int(value) > LONGEST_BODY:
                raise ProtocolError(f"Content-Length is {value.strip()[:20]!r}; at most {LONGEST_BODY} bytes are taken")
            length = int(value)
    raise ProtocolError(f"a message with more than {MOST_HEADERS} headers")


def encoded(message: dict[str, Any]) -> bytes:
    """A message as it goes over the stream."""
    body = msgspec.json.encode(message)
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
