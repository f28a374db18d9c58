"""The keys of NextAuth 4 and Auth.js 5 session cookies, derived as those libraries derive them.

Rule: algorithm and key come from this table, made from our settings; a token only chooses among
its rows. Source: `next-auth/jwt` 4.24 and `@auth/core/jwt` 0.41.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.jwk import OctKey, thumbprint

Version = Literal[4, 5]

COOKIE_NAMES: Mapping[Version, tuple[str, str]] = {
    4: ("__Secure-next-auth.session-token", "next-auth.session-token"),
    5: ("__Secure-authjs.session-token", "authjs.session-token"),
}
"""Both names each version uses, https first."""

KEY_BYTES: Mapping[Version, Mapping[str, int]] = {
    4: {"A256GCM": 32},
    5: {"A256CBC-HS512": 64, "A256GCM": 32},
}
"""Content encryption each version accepts, and the length of its key."""

DIGESTS: Mapping[int, Literal["sha256", "sha512"]] = {32: "sha256", 64: "sha512"}


@dataclass(frozen=True, slots=True)
class SessionKey:
    """`id` is the RFC 7638 thumbprint, by which Auth.js names the key in `kid`."""

    id: str
    raw: bytes = field(repr=False)
    jwk: OctKey = field(repr=False)


KeyTable = Mapping[tuple[str, str], Sequence[SessionKey]]
"""(cookie name, enc) to keys, newest secret first."""


def derive_keys(version: Version, names: Iterable[str], secrets: Sequence[str]) -> KeyTable:
    return {
        (name, enc): [_session_key(version, name, secret, size) for secret in secrets]
        for name in names
        for enc, size in KEY_BYTES[version].items()
    }


def _session_key(version: Version, name: str, secret: str, size: int) -> SessionKey:
    raw = _derive(version, name, secret, size)
    jwk = OctKey.import_key(raw)
    return SessionKey(thumbprint(jwk.as_dict(), DIGESTS[size]), raw, jwk)


def _derive(version: Version, name: str, secret: str, size: int) -> bytes:
    """In version 5 the cookie's name, prefix included, is the salt; in version 4 nothing is."""
    salt = name.encode() if version == 5 else b""
    info = (
        f"Auth.js Generated Encryption Key ({name})"
        if version == 5
        else "NextAuth.js Generated Encryption Key"
    )
    return HKDF(SHA256(), size, salt, info.encode()).derive(secret.encode())
