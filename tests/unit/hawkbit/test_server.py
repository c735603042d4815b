# SPDX-License-Identifier: Apache-2.0
"""Who the device talks to, with which secret, and what it makes of answers."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pilotlight.daemon import SettingsError
from pilotlight.daemon.settings import parse_settings
from pilotlight.orchestrator.hawkbit import messages
from pilotlight.orchestrator.hawkbit.delays import FIRST_S, LAST_S, Delays
from pilotlight.orchestrator.hawkbit.messages import BadAnswer, Execution, Finished
from pilotlight.orchestrator.hawkbit.server import Server, ServerError
from pilotlight.orchestrator.hawkbit.settings import HawkbitSettings

from tests.support.certificates import Authority
from tests.support.fake_hawkbit import DEVICE, FILE, FakeHawkbit
from tests.unit.hawkbit.conftest import Site


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[FakeHawkbit, Authority]]:
    """A server that wants a certificate of its authority."""
    authority = Authority.make(tmp_path, "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    made = FakeHawkbit(context)
    made.authorization = None  # type: ignore[assignment]
    yield made, authority
    made.close()


def test_mutual_tls(secure: tuple[FakeHawkbit, Authority], tmp_path: Path) -> None:
    hawkbit, authority = secure
    certificate, key = authority.issue("device")
    settings: dict[str, Any] = {"url": hawkbit.url, "tls_ca": str(tmp_path / "ca.pem")}
    good = HawkbitSettings(**settings, tls_certificate=certificate, tls_key=key)
    assert Server(good, DEVICE).base().sleep_s == 10
    with pytest.raises(ServerError, match="does not answer"):
        Server(HawkbitSettings(**settings), DEVICE).base()
    stranger, stranger_key = Authority.make(tmp_path, "other").issue("stranger")
    with pytest.raises(ServerError):
        Server(HawkbitSettings(**settings, tls_certificate=stranger, tls_key=stranger_key), DEVICE).base()


def test_a_server_with_a_strange_certificate_is_not_talked_to(secure: tuple[FakeHawkbit, Authority]) -> None:
    with pytest.raises(ServerError, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
        Server(HawkbitSettings(url=secure[0].url), DEVICE).base()


def test_the_gateway_token(site: Site) -> None:
    site.hawkbit.authorization = "GatewayToken secret"
    with pytest.raises(ServerError, match="401"):
        site.fleet.round()
    settings = HawkbitSettings(
        url=site.hawkbit.url, auth="gateway", auth_file=str(site.folder / "token"), insecure=True
    )
    assert Server(settings, DEVICE).base().sleep_s == 10


def test_the_token_goes_to_nobody_else(site: Site) -> None:
    other = FakeHawkbit()
    try:
        site.hawkbit.assign("7", b"x" * 5000)
        other.content = site.hawkbit.content
        site.hawkbit.announced = {"_links": {"download": {"href": f"{other.url}/files/{FILE}"}}}
        site.turn()
        assert site.device.installed == [b"x" * 5000]
        assert [headers.get("Authorization") for _, _, headers in other.requests] == [None]
        site.hawkbit.faults = [("controller", f"redirect:{other.url}/DEFAULT")]
        with pytest.raises(ServerError, match="302"):
            site.turn()
        assert len(other.requests) == 1
    finally:
        other.close()


def test_a_download_follows_redirections_but_not_for_ever(site: Site) -> None:
    site.hawkbit.assign("7", b"x" * 5000)
    site.hawkbit.faults = [(FILE, f"redirect:/files/{FILE}?again")]
    site.turn()
    assert site.device.installed == [b"x" * 5000]
    site.device.becomes("done")
    site.hawkbit.assign("8", b"y" * 5000)
    site.hawkbit.faults = [(FILE, f"redirect:/files/{FILE}?again")] * 10
    site.turn()
    assert site.hawkbit.words()[-1] == "closed failure" and "redirections" in site.hawkbit.details()


def test_http_is_for_a_bench_only(site: Site) -> None:
    with pytest.raises(BadAnswer, match="https"):
        Server(HawkbitSettings(url=site.hawkbit.url), DEVICE)


@pytest.mark.parametrize("href", ["https://evil.example/DEFAULT", "http://localhost:1/x", "//evil.example/x"])
def test_links_to_other_servers_are_not_followed_with_the_token(site: Site, href: str) -> None:
    settings = HawkbitSettings(url=site.hawkbit.url, insecure=True)
    with pytest.raises(BadAnswer, match="not its own"):
        Server(settings, DEVICE).get(messages.urljoin(site.hawkbit.url, href))


@given(st.binary(max_size=300))
def test_any_answer_is_understood_or_refused(data: bytes) -> None:
    for read in (
        lambda: messages.base(data, "https://h/x"),
        lambda: messages.deployment(data, "https://h/x"),
        lambda: messages.cancel(data),
    ):
        with pytest.raises(BadAnswer):
            read()
    assert messages.action_of(data) == "" or data


_KEYS = st.sampled_from(
    ["id", "deployment", "chunks", "artifacts", "filename", "size", "hashes", "sha256", "_links", "download", "href",
     "config", "polling", "sleep", "cancelAction", "stopId"]
)  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_any_json_is_understood_or_refused(value: object) -> None:
    import json

    data = json.dumps(value).encode()
    for read in (
        lambda: messages.base(data, "https://h/x"),
        lambda: messages.deployment(data, "https://h/x"),
        lambda: messages.cancel(data),
    ):
        try:
            read()
        except BadAnswer:
            continue
    messages.action_of(data)


def test_links_may_be_relative() -> None:
    data = b'{"_links": {"deploymentBase": {"href": "/DEFAULT/controller/v1/d/deploymentBase/5?c=1"}}}'
    found = messages.base(data, "https://h:8443/DEFAULT/controller/v1/d")
    assert found.deployment == "https://h:8443/DEFAULT/controller/v1/d/deploymentBase/5?c=1"
    assert (found.cancel, found.config, found.sleep_s) == ("", "", None)


def test_feedback_is_bounded() -> None:
    body = messages.feedback("7", Execution.CLOSED, Finished.FAILURE, ["x" * 10_000] * 100, 5)
    assert body["status"]["result"] == {"finished": "failure"}
    assert len(body["status"]["details"]) == messages.DETAILS_MAX
    assert all(len(detail) <= messages.DETAIL_MAX for detail in body["status"]["details"])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0, 1e9))
def test_delays_grow_and_are_bounded(chances: list[float], wanted: float) -> None:
    delays = Delays()
    for count, chance in enumerate(chances):
        wait = delays.after_failure(chance)
        assert FIRST_S / 2 <= wait <= LAST_S
        assert wait >= min(LAST_S, FIRST_S * 2**count) / 2
    assert min(wanted, LAST_S) <= delays.after_failure(0.5, wanted) <= LAST_S
    delays.success()
    assert delays.after_failure(1.0) == FIRST_S


@pytest.mark.parametrize(
    "text", ["tenant: a/b", "controller: ../x", "poll_s: 1", "auth: password", "token: x", "tenant: ''"]
)
def test_settings_are_checked(text: str) -> None:
    with pytest.raises(SettingsError, match=r"hawkbit\.yaml:1"):
        parse_settings(HawkbitSettings, text.encode(), "hawkbit.yaml")


def test_an_empty_file_asks_nobody() -> None:
    assert parse_settings(HawkbitSettings, b"", "hawkbit.yaml").url == ""
