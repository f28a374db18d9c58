"""Roost as the only OIDC provider that cells trust: discovery, keys, token.

Rule 1: there is no authorize route; codes are minted in process for somebody who is identified
already. Rule 2: every refusal of the token endpoint is one of RFC 6749's errors and tells nothing
else; why goes to the log. Rule 3: a client is one tenant's cell, named in the path.
"""

import binascii
import hmac
import logging
import secrets
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from roost.cells.codes import Codes, RefusedCode
from roost.cells.people import CellUser
from roost.cells.signing_key import public_key_set

MAX_FORM_BYTES = 16 * 1024
MAX_FIELDS = 20
ID_TOKEN_LIFETIME_S = 60
PATHS = {
    "discovery": "/{client_id}/.well-known/openid-configuration",
    "jwks": "/{client_id}/jwks",
    "token": "/{client_id}/token",
}
_UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Provider:
    """`secret_of(client_id)` is that cell's client secret, None for no such cell. `base_url` is
    how cells reach this listener, without a slash at its end."""

    base_url: str
    key: RSAKey
    codes: Codes
    secret_of: Callable[[str], str | None]
    clock: Callable[[], float]

    def app(self) -> Starlette:
        """The internal listener's ASGI app."""
        return Starlette(
            routes=[
                Route(PATHS["discovery"], self._discovery),
                Route(PATHS["jwks"], self._jwks),
                Route(PATHS["token"], self._token, methods=["POST"]),
            ]
        )

    async def _discovery(self, request: Request) -> JSONResponse:
        client_id = request.path_params["client_id"]
        if self.secret_of(client_id) is None:
            return JSONResponse({}, 404)
        return JSONResponse(discovery(self.base_url, client_id))

    async def _jwks(self, request: Request) -> JSONResponse:
        if self.secret_of(request.path_params["client_id"]) is None:
            return JSONResponse({}, 404)
        return JSONResponse(public_key_set(self.key))

    async def _token(self, request: Request) -> JSONResponse:
        client_id = request.path_params["client_id"]
        try:
            form = await _form(request)
            self._authenticate(client_id, request.headers.get("authorization", ""), form)
            return JSONResponse(self._exchange(client_id, form), headers=_UNCACHED)
        except _Refused as refused:
            _log.warning("Sign-in of cell %r refused: %s", client_id[:64], refused.reason)
            return refused.response()

    def _authenticate(self, client_id: str, authorization: str, form: Mapping[str, str]) -> None:
        """`client_secret_basic` or `client_secret_post`, exactly one (RFC 6749 §2.3)."""
        if authorization and "client_secret" in form:
            raise _Refused("invalid_request", "two ways of client authentication")
        shown = _basic(authorization) if authorization else _posted(form)
        expected = self.secret_of(client_id)
        pair = (client_id, expected or secrets.token_hex(32))
        same = [
            hmac.compare_digest(given.encode(), right.encode())
            for given, right in zip(shown, pair, strict=True)
        ]
        if not all(same):
            raise _Refused("invalid_client", "the client or its secret is not the cell's")

    def _exchange(self, client_id: str, form: Mapping[str, str]) -> dict[str, object]:
        if (grant := _field(form, "grant_type")) != "authorization_code":
            raise _Refused("unsupported_grant_type", f"grant type {grant[:40]!r}")
        try:
            user, nonce = self.codes.redeem(
                _field(form, "code"),
                client_id=client_id,
                redirect_uri=_field(form, "redirect_uri"),
                verifier=_field(form, "code_verifier"),
            )
        except RefusedCode as error:
            raise _Refused("invalid_grant", str(error)) from None
        return {
            # Phoenix wants one and never uses it: there is no userinfo endpoint.
            "access_token": secrets.token_urlsafe(24),
            "token_type": "Bearer",
            "expires_in": ID_TOKEN_LIFETIME_S,
            "id_token": self._id_token(client_id, user, nonce),
        }

    def _id_token(self, client_id: str, user: CellUser, nonce: str) -> str:
        now = int(self.clock())
        claims = {
            "iss": f"{self.base_url}/{client_id}",
            "aud": client_id,
            "sub": user.sub,
            "email": user.email,
            "name": user.name,
            "role": user.phoenix_role,
            "nonce": nonce,
            "iat": now,
            "exp": now + ID_TOKEN_LIFETIME_S,
        }
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


def discovery(base_url: str, client_id: str) -> dict[str, object]:
    """OpenID Connect Discovery §3. Authlib insists on an authorization endpoint: it answers 404."""
    issuer = f"{base_url}/{client_id}"
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "scopes_supported": ["openid", "email", "profile"],
    }


class _Refused(Exception):
    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason

    def response(self) -> JSONResponse:
        """RFC 6749 §5.2. RFC 9110 wants a challenge on each 401."""
        known = self.code != "invalid_client"
        headers = _UNCACHED if known else {**_UNCACHED, "WWW-Authenticate": 'Basic realm="roost"'}
        return JSONResponse({"error": self.code}, 400 if known else 401, headers=headers)


async def _form(request: Request) -> Mapping[str, str]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise _Refused("invalid_request", "the form is too large")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise _Refused("invalid_request", "the form cannot be read") from None
    if len(form := dict(pairs)) != len(pairs):
        raise _Refused("invalid_request", "a parameter stands twice")
    return form


def _field(form: Mapping[str, str], name: str) -> str:
    if not (value := form.get(name)):
        raise _Refused("invalid_request", f"{name} is missing")
    return value


def _posted(form: Mapping[str, str]) -> tuple[str, str]:
    return form.get("client_id", ""), form.get("client_secret", "")


def _basic(authorization: str) -> tuple[str, str]:
    """Both halves are form-encoded before they are joined (RFC 6749 §2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)
