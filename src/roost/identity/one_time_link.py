"""The one-time sign-in link, and the browser session that it begins.

Rule: only hashes are stored; the link opens once, the session for a day. Both have 256 bits of
entropy, so a plain SHA-256 hides them. Whoever holds the link is the operator of the
installation: the composition root offers it only while it listens on loopback alone.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from roost.identity.cookies import Cookies, values_of
from roost.model import Identity, Proof, Role

LINK_LIFETIME_S = 600.0
SESSION_LIFETIME_S = 24 * 3600.0
ISSUER = "roost"
MAX_TOKEN_CHARS = 64

_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Minted:
    """`token` is for the browser alone, `hash` for the store."""

    token: str = field(repr=False)
    hash: bytes = field(repr=False)


def mint() -> Minted:
    """A new token, for a link or for a session."""
    token = secrets.token_urlsafe(32)
    return Minted(token, hash_token(token))


def mint_session_id() -> str:
    """Names a session in logs and revocations; opens nothing."""
    return f"link-{secrets.token_hex(8)}"


def hash_token(token: str) -> bytes:
    """What the store knows the token by; any text has one, so a malformed token is just unknown."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def identify(session_id: str, valid_until: float) -> Identity:
    """The operator: admin of every tenant, known by the session alone."""
    return Identity(
        subject="operator",
        proof=Proof.LINK,
        proof_id=session_id,
        valid_until=valid_until,
        name="Operator",
        issuer=ISSUER,
        everywhere=Role.ADMIN,
    )


@dataclass(frozen=True, slots=True)
class LinkCookie:
    """How the session travels. `name` tells two installations on one host apart, since cookies
    know no port; `path` is Roost's base path; `secure` where browsers come by https.
    """

    name: str
    path: str
    secure: bool = False

    def read(self, cookies: Cookies) -> str | None:
        """The token, None without the cookie. NotSignedIn where it is oversized; where several
        came, the first that has a token's form counts, as browsers send the nearest path first."""
        values = values_of(self.name, cookies, MAX_TOKEN_CHARS)
        return next((value for value in values if _TOKEN.fullmatch(value)), None)

    def begin(self, token: str) -> str:
        """The Set-Cookie header."""
        return f"{self.name}={token}; Max-Age={SESSION_LIFETIME_S:.0f}{self._attributes}"

    def end(self) -> str:
        return f"{self.name}=; Max-Age=0{self._attributes}"

    @property
    def _attributes(self) -> str:
        """Lax: Roost's own links from mail or chat work, no foreign page posts with it."""
        return f"; Path={self.path}; HttpOnly; SameSite=Lax" + ("; Secure" if self.secure else "")
