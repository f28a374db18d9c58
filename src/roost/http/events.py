"""The host's own events over HTTP: sent, asked about, deleted.

Rule 1: a key with the scope `ingest` speaks for whom it says; a person speaks for themselves alone,
and who that is comes from their proof. Rule 2: 202 follows the commit. Rule 3: answers are for
viewers and above; nothing here answers an end user but what became of their own events.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from roost.analytics.erasing import person_named
from roost.analytics.events import Batch, EventLimits, parse
from roost.analytics.questions import Answer, Question
from roost.analytics.store import Forgotten, Taken
from roost.errors import BadRequest, NotAllowed
from roost.http.answers import answer_json
from roost.http.call import Call
from roost.http.event_query import question
from roost.http.principal import PrincipalOf
from roost.http.routes import Match
from roost.ingest.decode import inflate
from roost.ingest.workbench import Workbench
from roost.model import Principal, Proof, Role, TenantId

NEEDS_INGEST = (
    "Sending events with a key needs the scope `ingest`: "
    "`roost keys create --tenant <tenant> --scope ingest`."
)
NEEDS_VIEWER = "Reading events needs the role viewer, or a key with the scope `read`."
NEEDS_ADMIN = "Deleting a user's events needs the role admin, or a key with the scope `admin`."

audit = logging.getLogger("roost.audit")


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """As sent, and once inflated."""

    body_bytes: int = 1024 * 1024
    inflated_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Events:
    """`add`, `ask` and `forget` lead to the tenant's home in the keeper."""

    principal_of: PrincipalOf
    add: Callable[[TenantId, Batch], Awaitable[Taken]]
    ask: Callable[[TenantId, Question], Awaitable[Answer]]
    forget: Callable[[TenantId, str], Awaitable[Forgotten]]
    clock: Callable[[], float]
    limits: EventLimits = field(default_factory=EventLimits)
    sizes: BodyLimits = field(default_factory=BodyLimits)
    bench: Workbench = field(default_factory=Workbench)

    async def take(self, call: Call, match: Match) -> None:
        """POST: 202 with what became of each event."""
        principal = await self.principal_of(call, match.tenant)
        own_user = sender_of(principal)
        if (call.header(b"content-type") or "").partition(";")[0].strip() != "application/json":
            raise BadRequest("Send events as application/json.", status=415)
        body = await call.body(self.sizes.body_bytes)
        encoding = call.header(b"content-encoding") or ""
        # Inflating is cheap to ask for and dear to do: what is packed counts as if it were large.
        size = self.sizes.inflated_bytes if encoding and len(body) > 64 * 1024 else len(body)
        read = partial(self._read, body, encoding, own_user)
        batch = await self.bench.run(size, read)
        await answer_json(call, await self.add(principal.tenant.id, batch), 202)

    def _read(self, body: bytes, encoding: str, own_user: str | None) -> Batch:
        plain = inflate(body, encoding, self.sizes.inflated_bytes)
        return parse(plain, self.limits, self._now_ms(), own_user)

    async def read(self, call: Call, match: Match) -> None:
        """GET …/events/series, breakdown, users, names."""
        principal = await self._with_role(call, match, Role.VIEWER, NEEDS_VIEWER)
        asked = question(match.rest[-1], call.query, self._now_ms())
        await answer_json(call, await self.ask(principal.tenant.id, asked))

    async def erase(self, call: Call, match: Match) -> None:
        """DELETE …/events/users/<user>; with `?anonymous=true` it is an anonymous id."""
        principal = await self._with_role(call, match, Role.ADMIN, NEEDS_ADMIN)
        if call.query not in ("", "anonymous=true"):
            raise BadRequest("Only `anonymous=true` is known here.")
        person = person_named(match.rest[-1], anonymous=bool(call.query))
        _note(principal)
        await answer_json(call, await self.forget(principal.tenant.id, person))

    async def _with_role(self, call: Call, match: Match, needs: Role, otherwise: str) -> Principal:
        principal = await self.principal_of(call, match.tenant)
        if principal.role is None or principal.role < needs:
            raise NotAllowed(otherwise, reason=f"needs {needs.label}")
        return principal

    def _now_ms(self) -> int:
        return round(self.clock() * 1000)


def sender_of(principal: Principal) -> str | None:
    """The one user that this principal may write as; None may write as anybody."""
    if principal.ingest is not None:
        return None
    if principal.proof is Proof.KEY:
        raise NotAllowed(NEEDS_INGEST, reason="a key without the scope ingest")
    return principal.user_id or principal.subject


def _note(principal: Principal) -> None:
    """Who deleted; not whom, or the log would keep what was to be forgotten."""
    line = {
        "verdict": "allowed",
        "tenant": principal.tenant.id,
        "subject": principal.subject,
        "proof": principal.proof.value,
        "proof_id": principal.proof_id,
        "role": None if principal.role is None else principal.role.label,
        "method": "DELETE",
        "path": "/api/events/users/{user}",
        "reason": "",
    }
    audit.info("%s", json.dumps(line))
