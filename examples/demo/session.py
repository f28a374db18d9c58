"""The demo host's session: a cookie in the format of Auth.js 5, as a Next.js app would set it.

A JWE with `dir` and A256CBC-HS512 under a key from HKDF-SHA256 (salt: the cookie's name), with
`kid` the key's RFC 7638 thumbprint by SHA-512. Source: @auth/core, `jwt.ts`.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry, decrypt_compact, encrypt_compact
from joserfc.jwk import OctKey

COOKIE = "authjs.session-token"
LIFETIME_S = 8 * 3600
KEY_BYTES = 64
ALGORITHMS = ["dir", "A256CBC-HS512"]

Claims = Mapping[str, str | int]


class Sessions:
    """`secret` is what a Next.js host has in AUTH_SECRET; Roost is given the same."""

    def __init__(self, secret: str) -> None:
        info = f"Auth.js Generated Encryption Key ({COOKIE})".encode()
        key = HKDF(SHA256(), KEY_BYTES, COOKIE.encode(), info).derive(secret.encode())
        self._key = OctKey.import_key(key)
        self._header = {"alg": "dir", "enc": "A256CBC-HS512", "kid": _thumbprint(key)}
        self._registry = JWERegistry(algorithms=ALGORITHMS)

    def mint(self, claims: Claims, now_s: int) -> str:
        """The cookie's value for somebody who signs in at `now_s` (seconds since the epoch)."""
        stamp = {"iat": now_s, "exp": now_s + LIFETIME_S, "jti": secrets.token_hex(16)}
        plain = json.dumps({**claims, **stamp}).encode()
        return encrypt_compact(self._header, plain, self._key, registry=self._registry)

    def read(self, cookie: str | None, now_s: int) -> Claims | None:
        """The claims, or None where nobody is signed in."""
        try:
            found = decrypt_compact(cookie or "", self._key, registry=self._registry).plaintext
        except (JoseError, ValueError):
            return None
        claims: dict[str, str | int] = json.loads(found or b"{}")
        return claims if int(claims.get("exp", 0)) > now_s else None


def _thumbprint(key: bytes) -> str:
    jwk = json.dumps({"k": _base64url(key), "kty": "oct"}, separators=(",", ":"))
    return _base64url(hashlib.sha512(jwk.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
