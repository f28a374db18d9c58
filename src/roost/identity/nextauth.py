"""The session cookie of NextAuth 4 and Auth.js 5, read as the host itself reads it.

Rule 1: shape, sizes, alg, enc and typ are judged before a key is touched. Rule 2: what is there
but does not hold is refused; only a request without the cookie is anonymous.
"""

import base64
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry, decrypt_compact

from roost.errors import ConfigError, NotSignedIn
from roost.identity.claims import Claims
from roost.identity.cookies import Cookies, values_of
from roost.identity.session_keys import (
    COOKIE_NAMES,
    KEY_BYTES,
    SessionKey,
    Version,
    derive_keys,
)

LEEWAY_S = 15.0
"""What both libraries allow."""
MAX_FUTURE_S = 300.0
"""How far ahead the host's clock may be when it issues a session."""
MAX_TOKEN_CHARS = 32_768
MAX_HEADER_CHARS = 512

_JWE = re.compile(r"([\w-]+)\.\.[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
"""`dir` has an empty second segment: no key travels in the token."""


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a session's header may hold; `zip`, `crit`, `jku` and their kin are refused."""

    alg: str
    enc: str
    kid: str | None = None
    typ: str | None = None


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """A session cookie that is there, not yet believed. `values` are those of one name."""

    name: str
    values: tuple[str, ...] = field(repr=False)

    @property
    def credential(self) -> str:
        """What a cache may know this proof by."""
        return "\0".join((self.name, *self.values))


class NextAuth:
    """Reads the sessions of one host.

    `secrets` newest first; `cookie_name` "" means the version's own, with `__Secure-` or without:
    where both came the `__Secure-` one counts alone, since any page could plant the other.
    `subject_claim` is a path: a token without it is no session (the libraries encrypt OAuth
    state and PKCE verifiers too).
    """

    def __init__(
        self,
        version: Version,
        secrets: Sequence[str],
        cookie_name: str = "",
        *,
        subject_claim: str = "sub",
        leeway_s: float = LEEWAY_S,
        max_token_chars: int = MAX_TOKEN_CHARS,
    ) -> None:
        if not secrets or not all(secrets):
            raise ConfigError(["nextauth_secrets: give the host's AUTH_SECRET, it is empty"])
        self._names = (cookie_name,) if cookie_name else COOKIE_NAMES[version]
        self._keys = derive_keys(version, self._names, secrets)
        self._has_kid = version == 5
        self._registries = {enc: JWERegistry(algorithms=["dir", enc]) for enc in KEY_BYTES[version]}
        self._subject_claim = subject_claim
        self._leeway_s = leeway_s
        self._max_chars = max_token_chars

    def read(self, cookies: Cookies, now: float) -> Claims | None:
        """The claims of the session, None without its cookie, else NotSignedIn."""
        found = self.find(cookies)
        return None if found is None else self.verify(found, now)

    def find(self, cookies: Cookies) -> SessionCookie | None:
        """The session cookie that counts. NotSignedIn where it is ambiguous or over a bound."""
        for name in self._names:
            if values := values_of(name, cookies, self._max_chars):
                return SessionCookie(name, tuple(values))
        return None

    def verify(self, cookie: SessionCookie, now: float) -> Claims:
        """NotSignedIn where no value holds, or where two that hold name different subjects."""
        held, faults = self._verify_each(cookie, now)
        if not held:
            raise faults[0]
        if len({claims.text(self._subject_claim) for claims in held}) > 1:
            raise _refused(f"cookie {cookie.name} is there for two people")
        return held[0]

    def _verify_each(
        self, cookie: SessionCookie, now: float
    ) -> tuple[list[Claims], list[NotSignedIn]]:
        held, faults = [], []
        for token in cookie.values:
            try:
                held.append(self._claims(cookie.name, token, now))
            except NotSignedIn as fault:
                faults.append(fault)
        return held, faults

    def _claims(self, name: str, token: str, now: float) -> Claims:
        plaintext, key = self._decrypt(name, token)
        try:
            values = msgspec.json.decode(plaintext, type=dict[str, object])
        except ValueError as error:  # msgspec's own, and UnicodeDecodeError
            raise _refused("session is not a JSON object") from error
        expires = _expiry(values, now, self._leeway_s)
        # From the plaintext, which is authentic: base64 can be respelt, and a respelt cookie
        # would escape its revocation.
        proof_id = hmac.digest(key.raw, plaintext, "sha256").hex()[:32]
        claims = Claims(values, f"session-{proof_id}", expires)
        if not claims.text(self._subject_claim):
            raise _refused(f"token without {self._subject_claim!r} is no session")
        return claims

    def _decrypt(self, name: str, token: str) -> tuple[bytes, SessionKey]:
        header = _header(token)
        keys = self._keys.get((name, header.enc))
        if header.alg != "dir" or keys is None or header.typ not in (None, "JWT"):
            raise _refused(f"session with alg {header.alg!r}, enc {header.enc!r}, {header.typ!r}")
        if self._has_kid and header.kid is not None:
            keys = [key for key in keys if key.id == header.kid]
        for key in keys:
            plaintext = _open(token, key, self._registries[header.enc])
            if plaintext is not None:
                return plaintext, key
        raise _refused("none of the secrets opens the session: another AUTH_SECRET or cookie name?")


def _header(token: str) -> _Header:
    shape = _JWE.fullmatch(token)
    if shape is None or len(shape[1]) > MAX_HEADER_CHARS:
        raise _refused("session is not a compact JWE with alg dir")
    try:
        text = base64.urlsafe_b64decode(shape[1] + "=" * (-len(shape[1]) % 4))
        return msgspec.json.decode(text, type=_Header)
    except ValueError as error:  # binascii's, msgspec's, and UnicodeDecodeError
        raise _refused(f"session with an unknown header: {error}") from error


def _open(token: str, key: SessionKey, registry: JWERegistry) -> bytes | None:
    try:
        return decrypt_compact(token, key.jwk, registry=registry).plaintext
    except (JoseError, ValueError):
        return None


def _expiry(values: Mapping[str, object], now: float, leeway_s: float) -> float:
    """When the session ends, leeway included; refused unless it runs now."""
    expires = _time(values, "exp")
    starts, issued = _time(values, "nbf"), _time(values, "iat")
    if expires is None:
        raise _refused("session without exp")
    if expires <= now - leeway_s:
        raise _refused(f"session expired {now - expires:.0f} s ago")
    if starts is not None and starts > now + leeway_s:
        raise _refused(f"session begins in {starts - now:.0f} s")
    if issued is not None and issued > now + MAX_FUTURE_S:
        raise _refused(f"session issued {issued - now:.0f} s ahead: the clocks differ")
    return expires + leeway_s


def _time(values: Mapping[str, object], claim: str) -> float | None:
    value = values.get(claim)
    if value is None and claim not in values:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"session with a {claim} that is no number")
    return float(value)


def _refused(reason: str) -> NotSignedIn:
    return NotSignedIn(
        "Your sign-in has ended or does not hold here. Sign in to the app again.", reason=reason
    )
