"""Roost keys: `rk_<id>_<secret><checksum>`.

Rule: the secret is shown once and kept only as SHA-256. It has 256 bits of entropy, so there is
nothing to guess and a slow hash would only slow each request. Base62 throughout: a double click
selects the whole key. The checksum tells a mistyped key from a wrong one without a look-up, and
lets scanners find leaked keys.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from roost.errors import BadRequest, NotSignedIn
from roost.model import (
    ROLE_OF_SCOPE,
    Identity,
    IngestGrant,
    KeyRecord,
    Proof,
    Scope,
    Slug,
    TenantId,
)
from roost.policy.ingest import matches

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_CHARS = 12
SECRET_CHARS = 43
CHECKSUM_CHARS = 6
BELIEVED_S = 60.0
"""A key has no end; what was read of it is looked up again after so long."""
ISSUER = "roost"

_KEY = re.compile(
    rf"rk_([0-9A-Za-z]{{{ID_CHARS}}})_([0-9A-Za-z]{{{SECRET_CHARS}}})"
    rf"([0-9A-Za-z]{{{CHECKSUM_CHARS}}})"
)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A well-formed key, not yet believed."""

    id: str
    secret_hash: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MintedKey:
    """`token` is for the one who asked, once; id and hash are for the record."""

    id: str
    token: str = field(repr=False)
    secret_hash: bytes = field(repr=False)


class KeyGrant(Protocol):
    """What a proved key is allowed: a `KeyRecord`, or what the keeper says of one."""

    @property
    def tenant_id(self) -> str: ...
    @property
    def tenant_slug(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def scopes(self) -> Collection[str]: ...
    @property
    def project_pattern(self) -> str | None: ...
    @property
    def default_project(self) -> str | None: ...


def mint() -> MintedKey:
    key_id, secret = _random(ID_CHARS), _random(SECRET_CHARS)
    token = f"rk_{key_id}_{secret}"
    return MintedKey(key_id, token + _checksum(token), _hash(secret))


def parse(token: str) -> ParsedKey:
    """The key's id and the hash of its secret. NotSignedIn says what is wrong with its form."""
    found = _KEY.fullmatch(token)
    if found is None:
        raise NotSignedIn(_not_a_key(token), reason="bearer is no Roost key")
    key_id, secret, checksum = found.groups()
    if checksum != _checksum(f"rk_{key_id}_{secret}"):
        raise NotSignedIn(
            "This Roost key is mistyped: its checksum does not fit. Copy it again as a whole.",
            reason=f"key {key_id}: checksum",
        )
    return ParsedKey(key_id, _hash(secret))


def proves(record: KeyRecord, secret_hash: bytes) -> bool:
    """Whether the hash is that of the key's secret, in constant time, and the key not revoked."""
    return hmac.compare_digest(record.secret_hash, secret_hash) and record.revoked_at is None


def check(record: KeyRecord) -> None:
    """BadRequest where such a key must not be made."""
    if not record.scopes:
        raise BadRequest("A key needs a scope: ingest, read, write or admin.")
    narrowed = record.project_pattern is not None or record.default_project is not None
    if narrowed and record.scopes != {Scope.INGEST}:
        raise BadRequest(
            "A project pattern and a default project belong to keys whose one scope is `ingest`: "
            "what read, write and admin reach is the whole tenant. Make two keys."
        )
    if "" in (record.project_pattern, record.default_project):
        raise BadRequest("A project's name or pattern must not be empty.")
    _check_default(record)


def identify(key_id: str, grant: KeyGrant, now: float) -> Identity:
    """Who a proved key is: itself, in its tenant for ever, with the role of its highest scope."""
    scopes = {Scope(scope) for scope in grant.scopes}
    roles = [ROLE_OF_SCOPE[scope] for scope in scopes if scope in ROLE_OF_SCOPE]
    return Identity(
        subject=f"key:{key_id}",
        proof=Proof.KEY,
        proof_id=key_id,
        valid_until=now + BELIEVED_S,
        name=grant.name,
        issuer=ISSUER,
        roles={Slug(grant.tenant_slug): max(roles)} if roles else {},
        ingest=_ingest(grant) if Scope.INGEST in scopes else None,
        tenant_id=TenantId(grant.tenant_id),
    )


def presented(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The token in `Authorization: Bearer …`, as every Phoenix client and OpenTelemetry exporter
    sends it, or in `api_key: …`, as hosted Phoenix is told to; None without one. Other schemes
    are the host's own. BadRequest where two different ones came.
    """
    tokens = {token for name, value in headers if (token := _token(name.lower(), value))}
    if len(tokens) > 1:
        raise BadRequest("Two different keys came in one request: send one.")
    return next(iter(tokens), None)


def _token(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if name == b"api_key":
        return text
    scheme, _, rest = text.partition(" ")
    return rest.strip() if name == b"authorization" and scheme.lower() == "bearer" else ""


def _ingest(grant: KeyGrant) -> IngestGrant:
    """A pattern without `*` names the one project, so it is also where nameless spans go."""
    pattern = grant.project_pattern or "*"
    fallback = IngestGrant().default_project if "*" in pattern else pattern
    return IngestGrant(pattern, grant.default_project or fallback)


def _check_default(record: KeyRecord) -> None:
    pattern, default = record.project_pattern, record.default_project
    if pattern is not None and default is not None and not matches(pattern, default):
        raise BadRequest(
            f"The default project {default!r} does not match the key's pattern {pattern!r}."
        )


def _not_a_key(token: str) -> str:
    if token.startswith("rk_"):
        return "This Roost key is not complete. Copy it again as a whole."
    if token.startswith("eyJ"):
        return (
            "Roost takes its own keys, not Phoenix's or other tokens. "
            "Make one: `roost keys create --tenant <tenant> --scope read`."
        )
    return "This is no Roost key; one begins with `rk_`. Make one with `roost keys create`."


def _random(chars: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(chars))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _checksum(text: str) -> str:
    """CRC-32 in base 62: no secret, only a guard against typing errors."""
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_CHARS):
        rest, digit = divmod(rest, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
