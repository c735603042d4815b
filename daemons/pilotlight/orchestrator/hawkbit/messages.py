# SPDX-License-Identifier: Apache-2.0
"""What the server says and is told, as values. No I/O."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec

POLL_MIN_S = 10.0
POLL_MAX_S = 86400.0
ARTIFACTS_MAX = 64
DETAILS_MAX = 20
DETAIL_MAX = 400

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_CLOCK = re.compile(r"(\d{1,3}):(\d{2}):(\d{2})")
_ACTION = re.compile(r"[0-9A-Za-z-]{1,64}")


class BadAnswer(Exception):
    """The server's answer is not what its interface says; the text tells what."""


class Execution(StrEnum):
    """How far an action is, in the words of the interface."""

    DOWNLOAD = "download"
    DOWNLOADED = "downloaded"
    PROCEEDING = "proceeding"
    CANCELED = "canceled"
    REJECTED = "rejected"
    CLOSED = "closed"


class Finished(StrEnum):
    """How it ended."""

    NONE = "none"
    SUCCESS = "success"
    FAILURE = "failure"


class _Link(msgspec.Struct):
    href: str


class _Polling(msgspec.Struct):
    sleep: str = ""


class _Config(msgspec.Struct):
    polling: _Polling = msgspec.field(default_factory=_Polling)


class _Base(msgspec.Struct):
    config: _Config = msgspec.field(default_factory=_Config)
    links: dict[str, Any] = msgspec.field(default_factory=dict, name="_links")


class _Hashes(msgspec.Struct):
    sha256: str = ""


class _Artifact(msgspec.Struct):
    filename: str
    size: int
    hashes: _Hashes = msgspec.field(default_factory=_Hashes)
    links: dict[str, Any] = msgspec.field(default_factory=dict, name="_links")


class _Chunk(msgspec.Struct):
    part: str = ""
    version: str = ""
    artifacts: list[_Artifact] = msgspec.field(default_factory=list)


class _Deployment(msgspec.Struct):
    chunks: list[_Chunk]
    download: str = "forced"
    update: str = "forced"
    maintenance: str | None = msgspec.field(default=None, name="maintenanceWindow")


class _DeploymentBase(msgspec.Struct):
    id: str
    deployment: _Deployment


class _StopId(msgspec.Struct):
    stop: str = msgspec.field(name="stopId")


class _Cancel(msgspec.Struct):
    id: str
    action: _StopId = msgspec.field(name="cancelAction")


class Base(msgspec.Struct, frozen=True):
    """The answer to a poll: seconds to the next one (None: not told), and addresses, empty where there is none."""

    sleep_s: float | None
    deployment: str
    cancel: str
    config: str


class Artifact(msgspec.Struct, frozen=True):
    """The bundle of a deployment."""

    name: str
    size: int
    sha256: str
    url: str


class Deployment(msgspec.Struct, frozen=True):
    """An action: what to install, and whether it may be fetched and installed now."""

    id: str
    artifact: Artifact
    fetch: bool
    install: bool


def base(data: bytes, at: str) -> Base:
    """From the answer of the base resource at address ``at``. Raises BadAnswer."""
    found = _decode(data, _Base)
    return Base(
        _seconds(found.config.polling.sleep),
        *(_link(found.links, name, at) for name in ("deploymentBase", "cancelAction", "configData")),
    )


def deployment(data: bytes, at: str) -> Deployment:
    """From the answer of a deployment resource. Raises BadAnswer, with the action in ``action`` where it is known."""
    found = _decode(data, _DeploymentBase)
    if not _ACTION.fullmatch(found.id):
        raise BadAnswer("the action has no usable number")
    window = found.deployment.maintenance in (None, "available")
    return Deployment(
        found.id,
        _bundle(found.deployment, at),
        found.deployment.download != "skip",
        found.deployment.update != "skip" and window,
    )


def action_of(data: bytes) -> str:
    """The number of the action in a deployment resource, whatever else is wrong with it; empty: none."""
    try:
        found = str(msgspec.json.decode(data).get("id", ""))
    except (msgspec.MsgspecError, AttributeError):
        return ""
    return found if _ACTION.fullmatch(found) else ""


def cancel(data: bytes) -> tuple[str, str]:
    """From the answer of a cancel resource: its own number, and that of the action to stop. Raises BadAnswer."""
    found = _decode(data, _Cancel)
    if not _ACTION.fullmatch(found.id) or not _ACTION.fullmatch(found.action.stop):
        raise BadAnswer("the cancellation has no usable number")
    return found.id, found.action.stop


def feedback(action: str, execution: Execution, finished: Finished, details: list[str], time_ms: int) -> dict[str, Any]:
    """The body of a feedback."""
    kept = [detail[:DETAIL_MAX] for detail in details if detail][:DETAILS_MAX]
    return {
        "id": action,
        "timestamp": time_ms,
        "status": {"execution": str(execution), "result": {"finished": str(finished)}, "details": kept},
    }


def _decode(data: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadAnswer(f"the server's answer cannot be used: {error}") from None


def _seconds(clock: str) -> float | None:
    match = _CLOCK.fullmatch(clock)
    if match is None:
        return None
    hours, minutes, seconds = (int(part) for part in match.groups())
    return min(POLL_MAX_S, max(POLL_MIN_S, float(hours * 3600 + minutes * 60 + seconds)))


def _link(links: dict[str, Any], name: str, at: str) -> str:
    try:
        return urljoin(at, msgspec.convert(links.get(name), _Link).href) if name in links else ""
    except (msgspec.ValidationError, ValueError):
        raise BadAnswer(f"the link {name} is no link") from None


def _bundle(found: _Deployment, at: str) -> Artifact:
    """The one bundle among the files of a deployment."""
    files = [file for chunk in found.chunks[:ARTIFACTS_MAX] for file in chunk.artifacts[:ARTIFACTS_MAX]]
    bundles = [file for file in files if file.filename.endswith(".raucb")] or (files if len(files) == 1 else [])
    if len(bundles) != 1:
        raise BadAnswer(f"the deployment has {len(bundles)} bundles (.raucb), not one")
    file = bundles[0]
    if file.size <= 0 or not _SHA256.fullmatch(file.hashes.sha256):
        raise BadAnswer(f"{file.filename[:80]} has no size or no sha256")
    url = _link(file.links, "download", at) or _link(file.links, "download-http", at)
    if not url:
        raise BadAnswer(f"{file.filename[:80]} has no address to download it from")
    return Artifact(file.filename[:120], file.size, file.hashes.sha256.lower(), url)


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL. Raises BadAnswer."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadAnswer("an address of the server is no URL") from None
    if parts.scheme not in ("https", "http") or not host:
        raise BadAnswer("an address of the server is neither https nor http")
    return parts.scheme, host.lower(), port or (443 if parts.scheme == "https" else 80)
