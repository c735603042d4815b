# SPDX-License-Identifier: Apache-2.0
"""The device's own certificate: ECDSA P-256, self-signed, made at first start, renewed before it ends."""

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pilotlight.daemon import write_atomic

LIFE = datetime.timedelta(days=820)
"""Some browsers refuse certificates that live longer than 825 days."""
RENEW_BEFORE = datetime.timedelta(days=60)
_CLOCK_SKEW = datetime.timedelta(days=1)
MOST_NAMES = 64


@dataclass(frozen=True)
class Certificate:
    """A certificate on disk. `names` holds host names and addresses as text; `fingerprint` is the SHA-256 of
    it."""

    names: frozenset[str]
    not_before: datetime.datetime
    not_after: datetime.datetime
    fingerprint: str


class CertificateStore:
    """Key and certificate in one folder: `key.pem` (0600) and `certificate.pem`."""

    def __init__(self, folder: Path) -> None:
        self.key_file = folder / "key.pem"
        self.certificate_file = folder / "certificate.pem"

    def ensure(self, names: Sequence[str], now: datetime.datetime, *, follow_names: bool) -> tuple[Certificate, str]:
        """The certificate to use and, when a new one had to be made, why (empty otherwise).

        The key is kept when the certificate is renewed. With `follow_names` a name that is not in the
        certificate is a reason to renew.
        """
        key = self._load_key()
        present = self._load(key) if key is not None else None
        reason = renewal_reason(present, names, now, follow_names=follow_names)
        if not reason and present is not None:
            return present, ""
        if key is None:
            key = ec.generate_private_key(ec.SECP256R1())
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_atomic(self.key_file, pem, mode=0o600)
        made = make_certificate(key, names, now)
        write_atomic(self.certificate_file, made.public_bytes(serialization.Encoding.PEM), mode=0o644)
        return _describe(made), reason

    def _load_key(self) -> ec.EllipticCurvePrivateKey | None:
        try:
            key = serialization.load_pem_private_key(self.key_file.read_bytes(), None)
        except (FileNotFoundError, ValueError):
            return None
        return key if isinstance(key, ec.EllipticCurvePrivateKey) else None

    def _load(self, key: ec.EllipticCurvePrivateKey) -> Certificate | None:
        try:
            found = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return _describe(found) if found.public_key() == key.public_key() else None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 and 1.3 with this certificate; `load` on it later brings a renewed one into use."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self.load(context)
        return context

    def load(self, context: ssl.SSLContext) -> None:
        """New connections use the certificate that is on disk now."""
        context.load_cert_chain(self.certificate_file, self.key_file)


def renewal_reason(
    present: Certificate | None, names: Sequence[str], now: datetime.datetime, *, follow_names: bool
) -> str:
    """Why a new certificate is needed; empty when it is not."""
    if present is None:
        return "there is none yet"
    if now >= present.not_after - RENEW_BEFORE:
        return f"it ends on {present.not_after:%Y-%m-%d}"
    if now < present.not_before:
        return "it begins in the future"
    missing = set(names[:MOST_NAMES]) - present.names
    if follow_names and missing:
        return f"it lacks {', '.join(sorted(missing))}"
    return ""


def make_certificate(key: ec.EllipticCurvePrivateKey, names: Sequence[str], now: datetime.datetime) -> x509.Certificate:
    """A self-signed server certificate for these host names and addresses (the first is the common name)."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Pilotlight"),
        ]
    )
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + LIFE)
        .add_extension(
            x509.SubjectAlternativeName([_general_name(text) for text in names[:MOST_NAMES]]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text.encode("idna").decode())


def _describe(certificate: x509.Certificate) -> Certificate:
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = frozenset(str(name.value) for name in alternatives)
    except x509.ExtensionNotFound:
        names = frozenset()
    digest = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return Certificate(names, certificate.not_valid_before_utc, certificate.not_valid_after_utc, digest)
