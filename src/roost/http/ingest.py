"""Spans coming in: OTLP over HTTP, and the spans that Phoenix's client logs.

Rule: only a key with the scope `ingest` sends spans; the batch is judged here and handed to the
keeper, which answers once it has it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from roost.errors import BadRequest, NotAllowed
from roost.http.answers import answer
from roost.http.call import Call
from roost.http.principal import PrincipalOf
from roost.http.routes import Match
from roost.ingest import intake
from roost.ingest.decode import Limits
from roost.ingest.forward import judge_status
from roost.model import IngestGrant, TenantId
from roost.policy.decision import Refuse
from roost.policy.ingest import choose_path_project
from roost.policy.paths import serialise

INLINE_BYTES = 256 * 1024
_CALLERS_OWN = (400, 404, 422)
"""Duplicate or invalid logged spans, a project's id that is none: Phoenix's client reads which."""
NEEDS_INGEST = (
    "Sending spans needs a key with the scope `ingest`: "
    "`roost keys create --tenant <tenant> --scope ingest`."
)


@dataclass(frozen=True, slots=True)
class CellAnswer:
    """What the cell said to logged spans."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Ingest:
    """`sink` takes judged OTLP; `log_spans(tenant, path, body)` posts JSON to the cell."""

    principal_of: PrincipalOf
    sink: intake.Sink
    log_spans: Callable[[TenantId, str, bytes], Awaitable[CellAnswer]]
    limits: Limits
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    async def take(self, call: Call, match: Match) -> None:
        principal = await self.principal_of(call, match.tenant)
        if principal.ingest is None:
            raise NotAllowed(NEEDS_INGEST, reason="a proof without the scope ingest")
        if "projects" in match.rest:
            await self._logged(call, principal.tenant.id, principal.ingest, match.rest)
        else:
            await self._otlp(call, principal.tenant.id, principal.ingest)

    async def refuse_signal(self, call: Call, match: Match) -> None:
        """Logs and metrics: said once, clearly, to whoever has a key."""
        await self.principal_of(call, match.tenant)
        is_logs = match.rest[-1] == "logs"
        raise BadRequest(intake.LOGS_NOT_TAKEN if is_logs else intake.METRICS_NOT_TAKEN, status=501)

    async def _otlp(self, call: Call, tenant: TenantId, grant: IngestGrant) -> None:
        body = await call.body(self.limits.body_bytes)
        prepare = partial(
            intake.prepare,
            body,
            call.header(b"content-type") or "",
            call.header(b"content-encoding") or "",
            call.header(b"x-project-name"),
            grant,
            self.limits,
        )
        if len(body) > INLINE_BYTES:
            # Seconds of CPU at the limit: beside the event loop, and few at a time.
            async with self.large:
                prepared = await asyncio.to_thread(prepare)
        else:
            prepared = prepare()
        said = await intake.receive(tenant, prepared, self.sink)
        await answer(call, 200, said.content_type, said.body)

    async def _logged(
        self, call: Call, tenant: TenantId, grant: IngestGrant, rest: tuple[str, ...]
    ) -> None:
        """The project stands in the path; the body is the cell's to judge."""
        chosen = choose_path_project(rest[2], grant)
        if isinstance(chosen, Refuse):
            raise NotAllowed(chosen.pointer, reason=chosen.reason)
        if (call.header(b"content-type") or "").partition(";")[0].strip() != "application/json":
            raise BadRequest("Send logged spans as application/json.", status=415)
        body = await call.body(self.limits.body_bytes)
        said = await self.log_spans(tenant, serialise(rest), body)
        if said.status not in _CALLERS_OWN:
            judge_status(said.status)
        await answer(call, said.status, said.content_type, said.body)
