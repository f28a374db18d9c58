"""Authorization codes: minted in process, exchanged by a cell within a minute, once.

Rule 1: a code carries all that it grants, encrypted under a key that lives as long as the memory
of used codes: after a restart no code is known, so none can be used twice. Rule 2: the attempt
burns the code, whether it succeeds or not.
"""

import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from roost.cells.people import CellUser

CODE_LIFETIME_S = 60
MAX_USED_CODES = 20_000
_HEADER = {"alg": "dir", "enc": "A256GCM"}
_ALGORITHMS = ["dir", "A256GCM"]


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a cell asked for when its sign-in began; a code answers exactly this."""

    client_id: str
    redirect_uri: str
    nonce: str
    code_challenge: str
    """PKCE, S256 (RFC 7636 §4.2)."""


class RefusedCode(Exception):
    """`invalid_grant`; the text is for the log."""


@dataclass(frozen=True, slots=True)
class _Grant:
    """What a code holds; `exp` in seconds since the epoch."""

    jti: str
    exp: float
    user: CellUser
    challenge: Challenge


@dataclass(slots=True)
class Codes:
    """`clock` is in seconds since the epoch."""

    clock: Callable[[], float]
    _key: OctKey = field(default_factory=lambda: OctKey.import_key(secrets.token_bytes(32)))
    _used: dict[str, float] = field(default_factory=dict)

    def mint(self, user: CellUser, challenge: Challenge) -> str:
        exp = self.clock() + CODE_LIFETIME_S
        grant = _Grant(secrets.token_urlsafe(16), exp, user, challenge)
        return jwe.encrypt_compact(_HEADER, msgspec.json.encode(grant), self._key, _ALGORITHMS)

    def redeem(
        self, code: str, *, client_id: str, redirect_uri: str, verifier: str
    ) -> tuple[CellUser, str]:
        """The user to sign in and the nonce for the id token; RefusedCode says why not."""
        grant = self._opened(code)
        if not _same(grant.challenge.client_id, client_id):
            raise RefusedCode("the code was minted for another client")
        self._burn(grant)
        if not _same(grant.challenge.redirect_uri, redirect_uri):
            raise RefusedCode("the redirect_uri is another one")
        if not _same(grant.challenge.code_challenge, s256(verifier)):
            raise RefusedCode("the code_verifier does not fit the challenge")
        return grant.user, grant.challenge.nonce

    def _opened(self, code: str) -> _Grant:
        try:
            opened = jwe.decrypt_compact(code, self._key, _ALGORITHMS).plaintext
        except (JoseError, ValueError):
            raise RefusedCode("the code is not ours") from None
        grant = msgspec.json.decode(opened or b"", type=_Grant)
        if grant.exp <= self.clock():
            raise RefusedCode("the code has expired")
        return grant

    def _burn(self, grant: _Grant) -> None:
        now = self.clock()
        if len(self._used) >= MAX_USED_CODES:
            self._used = {jti: exp for jti, exp in self._used.items() if exp > now}
        if grant.jti in self._used:
            raise RefusedCode("the code was used before")
        if len(self._used) >= MAX_USED_CODES:
            raise RefusedCode("too many sign-ins in one minute")
        self._used[grant.jti] = grant.exp


def s256(verifier: str) -> str:
    """The PKCE challenge of a verifier (RFC 7636 §4.2)."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(left.encode(), right.encode())
