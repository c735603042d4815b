# SPDX-License-Identifier: Apache-2.0
"""Secrets under a passphrase: AES-256-GCM, the key by scrypt, both of the library `cryptography`."""

from __future__ import annotations

import hashlib
import os

from .manifest import BadBackup, Manifest, Sealed

PASSPHRASE = (8, 1024)  # bytes
N = 1 << 15  # 32 MiB for a moment, as long as a login takes


def seal(plain: bytes, passphrase: str, manifest: Manifest) -> tuple[bytes, Sealed]:
    """The secrets sealed, together with all that the manifest says. Raises BadBackup for a passphrase too short."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    salt, nonce = os.urandom(16), os.urandom(12)
    data = AESGCM(_key(passphrase, salt, N, 8, 1)).encrypt(nonce, plain, manifest.bound())
    return data, Sealed(len(data), hashlib.sha256(data).hexdigest(), salt.hex(), nonce.hex(), N)


def unseal(data: bytes, passphrase: str, manifest: Manifest) -> bytes:
    """The secrets. Raises BadBackup when the passphrase is another one, or anything was changed since."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = manifest.secret
    assert sealed is not None
    key = _key(passphrase, bytes.fromhex(sealed.salt), sealed.n, sealed.r, sealed.p)
    try:
        return AESGCM(key).decrypt(bytes.fromhex(sealed.nonce), data, manifest.bound())
    except InvalidTag:
        raise BadBackup("the passphrase is wrong, or the backup was changed; nothing was changed here") from None


def _key(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    secret = passphrase.encode("utf-8", "surrogatepass")
    least, most = PASSPHRASE
    if not least <= len(secret) <= most:
        raise BadBackup(f"a passphrase has {least} to {most} bytes; nothing was done")
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(secret)
