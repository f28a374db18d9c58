"""Roost's own API at the gateway: who asks, what they ask, and the keeper's answer passed on.

Rule 1: the row decides what is taken and which role it needs, `viewer_of` whose eyes it is answered
for; nothing of the answer is looked at here. Rule 2: a stream ends with its proof, and with its
reader.
"""

import json
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial

import msgspec
from aiohttp import ClientResponse
from msgspec import Struct

from roost.errors import BadRequest, NotAllowed, NotSignedIn
from roost.http import api_messages as q
from roost.http.api import given, passing
from roost.http.api.openapi import OPENAPI, served
from roost.http.api.table import Row, find
from roost.http.api.viewer import viewer_of
from roost.http.call import Call
from roost.http.open_calls import OpenCalls
from roost.http.principal import PrincipalOf
from roost.http.routes import Match
from roost.model import ROLE_OF_SCOPE, Principal, Proof, Role, Slug

BODY_BYTES_MAX = 64 * 1024
SILENCE_S = 100.0
"""A cell may have to wake for the body of a span."""

Ask = Callable[[str, bytes, float], AbstractAsyncContextManager[ClientResponse]]
"""`KeeperClient.streamed`."""

audit = logging.getLogger("roost.audit")
_SCOPES = {role: scope for scope, role in ROLE_OF_SCOPE.items()}


@dataclass(frozen=True, slots=True)
class Api:
    """`opened` is what a tenant shows its end users beyond their questions and answers.
    `open_calls` are of this API alone: they use no cell, so they keep none awake."""

    principal_of: PrincipalOf
    ask: Ask
    opened: Callable[[Slug], frozenset[q.Field]]
    open_calls: OpenCalls = field(default_factory=OpenCalls)
    clock: Callable[[], float] = time.time

    async def answer(self, call: Call, match: Match) -> None:
        """`/api/**` and `/t/<tenant>/api/**`."""
        principal = await self.principal_of(call, match.tenant)
        sight = viewer_of(principal, self.opened(principal.tenant.slug))
        segments = match.rest[1:]
        if segments == (OPENAPI,) and call.method in ("GET", "HEAD"):
            given.read(call.query, ())
            await passing.document(call, served(call.base))
            return
        row, named = find(call.method, segments)
        _judge(row, principal)
        question = await self._question(call, row, named)
        ask = q.Ask(
            principal.tenant.id, sight, question, passing.etags(call), passing.takes_gzip(call)
        )
        recheck = partial(self._check_again, call, principal, sight)
        async with (
            self.open_calls.watched(principal, recheck),
            self.ask(q.PATH, q.encode(ask), SILENCE_S) as answer,
        ):
            await passing.on(call, answer, row)

    async def _question(self, call: Call, row: Row, named: given.Named) -> q.Question:
        values = given.read(call.query, row.parameters)
        body = None if row.body is None else await _body(call, row.body)
        now_us = round(self.clock() * 1_000_000)
        return row.ask(given.Given(now_us, named, values, body))

    async def _check_again(self, call: Call, principal: Principal, sight: q.Sight) -> None:
        """The proof still names the same person, who may still see the same."""
        now = await self.principal_of(call, principal.tenant.slug)
        again = viewer_of(now, self.opened(now.tenant.slug))
        if (now.subject, now.tenant.id, again) != (principal.subject, principal.tenant.id, sight):
            raise NotSignedIn(reason="no longer the same person, tenant or role")


def _judge(row: Row, principal: Principal) -> None:
    """NotAllowed below the role that the row needs; what changes something leaves a line."""
    has = principal.role
    allowed = has is not None and has >= row.needs
    if row.method != "GET":
        _note(row, principal, "allowed" if allowed else "refused")
    if not allowed:
        raise NotAllowed(
            _too_low(row.needs, principal), reason=f"{row.name} needs {row.needs.label}"
        )


def _too_low(needs: Role, principal: Principal) -> str:
    """In the words that its holder knows: keys have scopes, people have roles."""
    if principal.proof is Proof.KEY:
        return f"This needs a key with the scope `{_SCOPES[needs]}`; this one may not."
    return f"This needs the role {needs.label}."


async def _body(call: Call, kind: type[Struct]) -> Struct:
    """An empty one is `{}`."""
    body = await call.body(BODY_BYTES_MAX)
    if body and (call.header(b"content-type") or "").partition(";")[0] != "application/json":
        raise BadRequest("Send it as application/json.", status=415)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as error:
        raise BadRequest(f"The body is not what is taken here: {error}.") from None


def _note(row: Row, principal: Principal, verdict: str) -> None:
    line = {
        "verdict": verdict,
        "tenant": principal.tenant.id,
        "subject": principal.subject,
        "proof": principal.proof.value,
        "proof_id": principal.proof_id,
        "role": None if principal.role is None else principal.role.label,
        "method": row.method,
        "path": f"/api/{row.path}",
        "reason": "",
    }
    audit.info("%s", json.dumps(line))
