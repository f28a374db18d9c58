"""The first step of a sign-in, which proves the peer as well.

Phoenix signs the `state` of a login with PHOENIX_SECRET, and puts the URL to return to inside.
A URL that nobody can guess makes this a challenge that only the cell can answer, and nothing
secret is sent before it is answered. Rule: no token, code or admin secret goes to a peer that has
not passed here or by the admin call of `client.py`.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from roost.cells.codes import Challenge
from roost.errors import Unavailable

LOGIN_COOKIES = (
    "phoenix-oauth2-state",
    "phoenix-oauth2-nonce",
    "phoenix-oauth2-code-verifier",
)
UNSAFE = "Phoenix of this tenant cannot be signed in to. See `roost doctor`."


@dataclass(frozen=True, slots=True)
class Begun:
    """A login that waits for its code."""

    state: str = field(repr=False)
    cookies: str = field(repr=False)
    """The Cookie header of the next step."""
    challenge: Challenge


def new_return_url() -> str:
    """Unguessable, and of the shape that Phoenix allows."""
    return f"/{secrets.token_hex(16)}"


def parse_login(
    location: str, cookies: SimpleCookie, *, secret: str, client_id: str, return_url: str
) -> Begun:
    """The login that Phoenix began, from its redirect's Location and cookies.

    Unavailable, with the reason, where it was not made by our cell for this request.
    """
    query = dict(parse_qsl(urlsplit(location).query))
    if missing := [name for name in LOGIN_COOKIES if name not in cookies]:
        error = query.get("error", "no login")
        raise Unavailable(UNSAFE, reason=f"OIDC is not set up there: {error}, without {missing[0]}")
    if query.get("client_id") != client_id:
        raise Unavailable(UNSAFE, reason="OIDC there is set up for another client or provider")
    if query.get("code_challenge_method") != "S256":
        raise Unavailable(UNSAFE, reason="PKCE is off there: PHOENIX_OAUTH2_ROOST_USE_PKCE")
    _prove_peer(query.get("state", ""), secret, return_url)
    values = {name: cookies[name].value for name in LOGIN_COOKIES}
    return Begun(query["state"], _cookie_header(values), _challenge(client_id, query))


def _challenge(client_id: str, query: Mapping[str, str]) -> Challenge:
    try:
        return Challenge(client_id, query["redirect_uri"], query["nonce"], query["code_challenge"])
    except KeyError as missing:
        raise Unavailable(UNSAFE, reason=f"its login names no {missing}") from None


def _prove_peer(state: str, secret: str, return_url: str) -> None:
    try:
        claims = jwt.decode(state, OctKey.import_key(secret), algorithms=["HS256"]).claims
    except (JoseError, ValueError):
        claims = {}
    if claims.get("return_url") != return_url:
        raise Unavailable(UNSAFE, reason="the peer does not know this cell's PHOENIX_SECRET")


def _cookie_header(values: Mapping[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())
