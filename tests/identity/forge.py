"""Session cookies with any header and claims, made with the right key: what a host would never
send, and what Roost has to refuse for another reason than the key."""

import base64
import json
from collections.abc import Mapping

from joserfc.jwe import JWERegistry, encrypt_compact
from joserfc.jwk import OctKey

from roost.identity.session_keys import COOKIE_NAMES, Version, derive_keys

SECRET = "host-secret-0123456789abcdef0123456789abcdef"
NOW = 1_800_000_000.0
ANN: Mapping[str, object] = {"sub": "ann-1", "iat": NOW - 60, "exp": NOW + 3600, "jti": "j-1"}
ENC: Mapping[Version, str] = {4: "A256GCM", 5: "A256CBC-HS512"}
EVERYTHING = ["dir", "A256GCM", "A256CBC-HS512", "A128CBC-HS256", "A128GCM", "A128KW", "DEF"]


def plain_name(version: Version) -> str:
    return COOKIE_NAMES[version][1]


def session_key(version: Version, name: str, enc: str) -> OctKey:
    return derive_keys(version, [name], [SECRET])[name, enc][0].jwk


def seal(
    version: Version,
    claims: Mapping[str, object] | bytes = ANN,
    header: Mapping[str, str] | None = None,
    *,
    name: str = "",
    key: OctKey | None = None,
) -> str:
    """A token whose header is the library's with `header` laid over."""
    name = name or plain_name(version)
    whole = {"alg": "dir", "enc": ENC[version], **(header or {})}
    opener = key or session_key(version, name, ENC[version])
    plaintext = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    registry = JWERegistry(algorithms=EVERYTHING, strict_check_header=False)
    return encrypt_compact(dict(whole), plaintext, opener, registry=registry)


def with_header(token: str, header: bytes) -> str:
    """The token under another protected header, the rest as it was."""
    _, rest = token.split(".", 1)
    return f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.{rest}"
