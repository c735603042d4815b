# SPDX-License-Identifier: Apache-2.0
"""The device's certificate: names, renewal, the key that stays."""

import datetime
import socket
import ssl
import stat
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pilotlight.web.certificate import LIFE, CertificateStore
from pilotlight.web.hostnames import device_names, valid_name

from tests.unit.web.conftest import Site

NOW = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
NAMES = ["plc7", "plc7.local", "localhost", "127.0.0.1", "2001:db8::7"]


def test_first_certificate(tmp_path: Path) -> None:
    store = CertificateStore(tmp_path)
    made, reason = store.ensure(NAMES, NOW, follow_names=True)
    assert reason
    assert made.names == set(NAMES)
    assert stat.S_IMODE(store.key_file.stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate(store.certificate_file.read_bytes())
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert made.not_after - NOW == LIFE
    assert store.ensure(NAMES, NOW, follow_names=True) == (made, "")


def test_renewal(tmp_path: Path) -> None:
    store = CertificateStore(tmp_path)
    first, _ = store.ensure(NAMES, NOW, follow_names=True)
    key = store.key_file.read_bytes()
    late = NOW + LIFE - datetime.timedelta(days=59)
    second, reason = store.ensure(NAMES, late, follow_names=False)
    assert "ends on" in reason
    assert second.fingerprint != first.fingerprint
    assert store.key_file.read_bytes() == key
    assert store.ensure([*NAMES, "10.0.0.9"], late, follow_names=False)[1] == ""
    assert "10.0.0.9" in store.ensure([*NAMES, "10.0.0.9"], late, follow_names=True)[1]
    assert "future" in store.ensure(NAMES, NOW - datetime.timedelta(days=900), follow_names=False)[1]


def test_damaged_files_are_replaced(tmp_path: Path) -> None:
    store = CertificateStore(tmp_path)
    store.ensure(NAMES, NOW, follow_names=True)
    store.certificate_file.write_bytes(b"rubbish")
    assert store.ensure(NAMES, NOW, follow_names=True)[1]
    store.key_file.write_bytes(b"rubbish")
    assert store.ensure(NAMES, NOW, follow_names=True)[1]
    store.context()


def test_connection_is_verified_by_name(site: Site) -> None:
    trust = ssl.create_default_context(cafile=str(site.folder / "certificate.pem"))
    with (
        socket.create_connection(("127.0.0.1", site.port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        assert secured.version() == "TLSv1.3"
        assert secured.selected_alpn_protocol() in (None, "http/1.1")


def test_tls_below_1_2_is_refused(tmp_path: Path) -> None:
    store = CertificateStore(tmp_path)
    store.ensure(NAMES, NOW, follow_names=True)
    assert store.context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_names_of_the_device() -> None:
    names = device_names(["plant.example.com", "not a name", "10.1.2.3"])
    assert {"localhost", "127.0.0.1", "::1", "plant.example.com", "10.1.2.3"} <= set(names)
    assert "not a name" not in names
    assert len(names) == len(set(names))
    assert valid_name("plc-7.local")
    assert not any(valid_name(name) for name in ("", "-a", "a-", "a..b", "a_b", "x" * 64))
