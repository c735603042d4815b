# SPDX-License-Identifier: Apache-2.0
"""Uploads: limits before anything is read, one at a time, and a reason the Editor shows for each that is refused."""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.daemon import InvalidArgument
from pilotlight.web.backend import REFUSAL_SHOWN_S
from pilotlight.web.upload import FilePart, UploadRefused, program_name

from tests.unit.web.conftest import Site
from tests.unit.web.fake_runtime import FakeRuntime
from tests.unit.web.wire import connect, exchange, read_all

MIB = 1 << 20
PART = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="program.zip"\r\n'
    b"Content-Type: application/zip\r\n\r\n"
)
BODY = PART + b"PK\r\n--b--\r\n"


def _head(token: str, *lines: str) -> bytes:
    fixed = [
        "POST /api/upload-file HTTP/1.1",
        "Host: device",
        f"Authorization: Bearer {token}",
        "Content-Type: multipart/form-data; boundary=b",
    ]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


def _refused(site: Site, token: str, reply: bytes, reason: str) -> None:
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), reply
    answer = json.loads(body)
    assert answer["CompilationStatus"] == "FAILED"
    assert reason in answer["UploadFileFail"]
    status = site.call("GET", "/api/compilation-status", token).json()
    assert status["status"] == "FAILED"
    assert reason in status["logs"][0]


def test_announced_too_large_is_refused_at_once(launch: Callable[..., Site], runtime: FakeRuntime) -> None:
    site = launch(upload_mib=1)
    token = site.claim()
    reply = exchange(site.port, _head(token, f"Content-Length: {2 * MIB}", "Expect: 100-continue"))
    assert b"100 Continue" not in reply
    assert b"connection: close" in reply.lower()
    _refused(site, token, reply, "File is too large")
    assert runtime.archives == []
    assert _send(site, token, BODY).json()["CompilationStatus"] == "COMPILING"
    assert site.call("GET", "/api/compilation-status", token).json()["status"] == "SUCCESS"


def _send(site: Site, token: str, body: bytes, **headers: str) -> Any:
    fixed = {"Content-Type": "multipart/form-data; boundary=b"}
    return site.call("POST", "/api/upload-file", token, content=body, headers={**fixed, **headers})


def test_chunked_is_counted(launch: Callable[..., Site], runtime: FakeRuntime) -> None:
    site = launch(upload_mib=1)
    token = site.claim()
    piece = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
    first = b"%x\r\n" % len(PART) + PART + b"\r\n"
    reply = exchange(site.port, _head(token, "Transfer-Encoding: chunked"), first, *[piece] * 40)
    _refused(site, token, reply, "File is too large")
    assert runtime.archives == []

    def chunks() -> Iterator[bytes]:
        yield PART
        yield b"y" * 100_000
        yield b"\r\n--b--\r\n"

    assert _send(site, token, chunks()).json()["CompilationStatus"] == "COMPILING"  # type: ignore[arg-type]
    assert runtime.archives == [b"y" * 100_000]


def test_length_that_lies(site: Site, runtime: FakeRuntime) -> None:
    token = site.claim()
    with connect(site.port) as connection:
        connection.sendall(_head(token, f"Content-Length: {len(BODY) + 100}", "Connection: close") + BODY)
        connection.unwrap().close()
    short = exchange(site.port, _head(token, f"Content-Length: {len(BODY) - 8}", "Connection: close") + BODY[:-8])
    _refused(site, token, short, "cut off")
    for bad in ("-1", "+5", "5, 6", "9" * 30):
        assert b"HTTP/1.1 400" in exchange(site.port, _head(token, f"Content-Length: {bad}") + BODY), bad
    both = exchange(site.port, _head(token, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n")
    assert not both.startswith(b"HTTP/1.1 2")
    assert runtime.archives == []


def test_strangers_and_viewers_are_refused_before_the_body(site: Site, runtime: FakeRuntime) -> None:
    admin = site.claim()
    viewer = site.add(admin, "vera", "viewer")
    lines = (f"Content-Length: {MIB}", "Expect: 100-continue", "Connection: close")
    for token, status in (("", b" 401 "), ("bad", b" 401 "), (viewer, b" 403 ")):
        with connect(site.port) as connection:
            connection.sendall(_head(token, *lines))
            reply = connection.recv(65536)
        assert reply.startswith(b"HTTP/1.1" + status), reply
        assert b"100 Continue" not in reply
    assert runtime.archives == []


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("application/zip", b"PK", "No file part"),
        ("multipart/form-data", BODY, "No file part"),
        ("multipart/form-data; boundary=", BODY, "No file part"),
        ("multipart/form-data; boundary=" + "b" * 300, BODY, "No file part"),
        ("multipart/form-data; boundary=b", b"", "No file part"),
        ("multipart/form-data; boundary=b", b"--b--\r\n", "No file part"),
        ("multipart/form-data; boundary=b", b"garbage", "proper multipart"),
        ("multipart/form-data; boundary=b", BODY.replace(b'"file"', b'"other"'), "No file part"),
        ("multipart/form-data; boundary=b", BODY.replace(b'; filename="program.zip"', b""), "No file part"),
        ("multipart/form-data; boundary=b", PART + b"PK", "cut off"),
        ("multipart/form-data; boundary=b", PART + b"PK\r\n" + BODY, "more than one file"),
        (
            "multipart/form-data; boundary=b",
            BODY.replace(b"zip\r\n\r\n", b"zip\r\nX: " + b"y" * 9000 + b"\r\n\r\n"),
            "header",
        ),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 20 + BODY,
            "more than 16 parts",
        ),
    ],
)
def test_what_is_not_an_upload(site: Site, runtime: FakeRuntime, content_type: str, body: bytes, reason: str) -> None:
    token = site.claim()
    reply = _send(site, token, body, **{"Content-Type": content_type})
    assert reply.status_code == 200
    assert reason in reply.json()["UploadFileFail"]
    assert reason in site.call("GET", "/api/compilation-status", token).json()["logs"][0]
    assert runtime.archives == []


def test_other_fields_beside_the_file_are_ignored(site: Site, runtime: FakeRuntime) -> None:
    token = site.claim()
    reply = site.call(
        "POST",
        "/api/upload-file?clean=1",
        token,
        data={"snapshot_metadata": "{}"},
        files={"file": ("My Plant.ZIP", b"PK1"), "snapshot": ("s.bin", b"zz")},
    )
    assert reply.json() == {"CompilationStatus": "COMPILING", "UploadFileFail": ""}
    assert runtime.archives == [b"PK1"]
    assert (runtime.options["name"], runtime.options["online"]) == ("My Plant", False)
    site.call("POST", "/api/upload-file?online=true", token, files={"file": ("plant.plz", b"x")})
    assert runtime.options["online"] is True


def test_one_at_a_time(site: Site, runtime: FakeRuntime) -> None:
    token = site.claim()
    with connect(site.port) as first:
        first.sendall(_head(token, f"Content-Length: {len(BODY)}", "Connection: close") + PART)
        while not site.backend.upload_lock.locked():
            site.call("GET", "/api/ping", token)
        second = _send(site, token, BODY).json()
        assert second["CompilationStatus"] == "COMPILING"
        assert second["UploadFileFail"] == "Runtime is compiling another program, please wait"
        first.sendall(BODY[len(PART) :])
        assert b'"UploadFileFail":""' in read_all(first)
    assert runtime.archives == [b"PK"]


def test_refusal_is_told_to_its_user_alone_and_not_for_ever(site: Site, runtime: FakeRuntime) -> None:
    admin = site.claim()
    other = site.add(admin, "uma", "user")
    _send(site, admin, b"", **{"Content-Type": "text/plain"})
    assert site.call("GET", "/api/compilation-status", admin).json()["status"] == "FAILED"
    assert site.call("GET", "/api/compilation-status", other).json()["status"] == "IDLE"
    reason, since = site.backend.refusals[1]
    site.backend.refusals[1] = (reason, since - REFUSAL_SHOWN_S)
    assert site.call("GET", "/api/compilation-status", admin).json()["status"] == "IDLE"


def test_what_runtime_says(site: Site, runtime: FakeRuntime) -> None:
    token = site.claim()
    runtime.busy = True
    assert _send(site, token, BODY).json() == {
        "CompilationStatus": "COMPILING",
        "UploadFileFail": "Runtime is compiling another program, please wait",
    }
    runtime.busy, runtime.failure = False, InvalidArgument("The archive is not a ZIP file.")
    assert _send(site, token, BODY).json()["UploadFileFail"] == "The archive is not a ZIP file."
    assert "not a ZIP" in site.call("GET", "/api/compilation-status", token).json()["logs"][0]


def test_limit_counts_the_file_alone() -> None:
    for size, fits in ((100, True), (101, False)):
        part = FilePart(b"b", 100)
        try:
            part.feed(PART + b"x" * size + b"\r\n--b--\r\n")
            assert fits
            assert part.finish().size == 100
        except UploadRefused as refusal:
            assert not fits
            assert str(refusal) == "File is too large"
        finally:
            os.close(part.descriptor)


def test_program_names() -> None:
    assert program_name("program.zip") == "program"
    assert program_name("motor.plz") == "motor"
    assert program_name("C:\\plc\\Plant.ZIP") == "Plant"
    assert program_name("../../etc/passwd") == "passwd"
    assert program_name(".zip") == "program"
    assert program_name("a\x00b\n.zip") == "ab"
    assert len(program_name("x" * 500)) == 64


@given(st.binary(max_size=400), st.integers(1, 50))
def test_pieces_do_not_matter(content: bytes, size: int) -> None:
    if b"\r\n--b" in content:
        return
    body = PART + content + b"\r\n--b--\r\n"
    part = FilePart(b"b", 400)
    try:
        for start in range(0, len(body), size):
            part.feed(body[start : start + size])
        file = part.finish()
        assert os.pread(part.descriptor, 1000, 0) == content
        assert file.size == len(content)
    finally:
        os.close(part.descriptor)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_taken(content: bytes) -> None:
    part = FilePart(b"b", 100)
    try:
        part.feed(b"--b\r\n" + content)
        part.finish()
    except UploadRefused as refusal:
        assert str(refusal)
    finally:
        os.close(part.descriptor)
