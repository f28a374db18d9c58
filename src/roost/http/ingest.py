"""Spans coming in: OTLP over HTTP, and the spans that Phoenix's client logs.

Rule: only a key with the scope `ingest` sends spans; what it sends is judged and masked here, and
answered once the log has it. An OTLP client is told of an error as OTLP wants it, in the encoding
that it speaks; everybody else gets a problem.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial

from roost.errors import BadRequest, NotAllowed, NotFound, RoostError
from roost.http.answers import answer
from roost.http.call import Call
from roost.http.principal import PrincipalOf
from roost.http.problems import answer_to
from roost.http.routes import Match
from roost.ingest import intake, logged_spans
from roost.ingest.decode import Encoding, encoding_of
from roost.ingest.intake import Batch, Prepared, Sink, Terms
from roost.ingest.logged_spans import Answer, LoggedSpan
from roost.ingest.status import encoded, status_of
from roost.ingest.workbench import Workbench
from roost.model import IngestGrant, TenantId
from roost.policy.decision import Refuse
from roost.policy.ingest import choose_path_project

JSON = "application/json"
NEEDS_INGEST = (
    "Sending spans needs a key with the scope `ingest`: "
    "`roost keys create --tenant <tenant> --scope ingest`."
)

log = logging.getLogger("roost.ingest")

Known = Callable[[TenantId, Sequence[str]], Awaitable[Collection[str]]]
"""Which of these span ids (16 digits of hex, in lower case, each once) the tenant has already, in
whatever trace and project."""

ProjectName = Callable[[TenantId, int], Awaitable[str | None]]
"""The name of the tenant's project with that row (the number in its Relay id), or None."""


@dataclass(frozen=True, slots=True)
class Ingest:
    """`sink` is the log's door."""

    principal_of: PrincipalOf
    sink: Sink
    known: Known
    project_name: ProjectName
    terms: Terms
    bench: Workbench = field(default_factory=Workbench)

    async def take(self, call: Call, match: Match) -> None:
        if "projects" in match.rest:
            await self._logged(call, match)
        else:
            await _as_otlp(call, self._otlp(call, match))

    async def refuse_signal(self, call: Call, match: Match) -> None:
        """Logs and metrics: said once, clearly, to whoever has a key."""
        await _as_otlp(call, self._refuse_signal(call, match))

    async def _refuse_signal(self, call: Call, match: Match) -> None:
        await self.principal_of(call, match.tenant)
        is_logs = match.rest[-1] == "logs"
        raise BadRequest(intake.LOGS_NOT_TAKEN if is_logs else intake.METRICS_NOT_TAKEN, status=501)

    async def _admit(self, call: Call, match: Match) -> tuple[TenantId, IngestGrant]:
        principal = await self.principal_of(call, match.tenant)
        if principal.ingest is None:
            raise NotAllowed(NEEDS_INGEST, reason="a proof without the scope ingest")
        return principal.tenant.id, principal.ingest

    async def _otlp(self, call: Call, match: Match) -> None:
        tenant, grant = await self._admit(call, match)
        encoding = encoding_of(call.header(b"content-type") or "")
        batch = Batch(
            body=await call.body(self.terms.limits.body_bytes),
            content_type=encoding,
            content_encoding=call.header(b"content-encoding") or "",
            project=call.header(b"x-project-name"),
        )
        work = partial(intake.prepare, batch, grant, self.terms)
        prepared = await self.bench.run(batch.work_bytes, work)
        await intake.receive(tenant, prepared, self.sink)
        said = intake.answer(prepared, encoding)
        await answer(call, 200, said.content_type, said.body)

    async def _logged(self, call: Call, match: Match) -> None:
        tenant, grant = await self._admit(call, match)
        project = await self._project(tenant, match.rest[2], grant)
        if (call.header(b"content-type") or "").partition(";")[0].strip() != JSON:
            raise BadRequest("Send logged spans as application/json.", status=415)
        body = await call.body(self.terms.limits.body_bytes)
        compression = call.header(b"content-encoding") or ""
        read = partial(logged_spans.read, body, compression, self.terms.limits)
        spans = await self.bench.run(len(body), read)
        if isinstance(spans, Answer):
            return await _say(call, spans)
        known = await self.known(tenant, logged_spans.ids_of(spans))
        prepare = partial(self._prepare, spans, known, project)
        prepared = await self.bench.run(len(body), prepare)
        if isinstance(prepared, Answer):
            return await _say(call, prepared)
        await intake.receive(tenant, prepared, self.sink)
        return await _say(call, logged_spans.accepted(prepared.accepted))

    async def _project(self, tenant: TenantId, in_path: str, grant: IngestGrant) -> str:
        """The project that the path names, by its name or its Relay id."""
        chosen = choose_path_project(in_path, grant)
        if isinstance(chosen, Refuse):
            raise NotAllowed(chosen.pointer, reason=chosen.reason)
        row = logged_spans.project_row(chosen)
        if row is None:
            return chosen
        name = await self.project_name(tenant, row)
        if name is None:
            raise NotFound(f"There is no project with the id {chosen}.", reason="no such project")
        return name

    def _prepare(
        self, spans: Sequence[LoggedSpan], known: Collection[str], project: str
    ) -> Prepared | Answer:
        """All of the spans, or why not."""
        request = logged_spans.convert(spans, known)
        if isinstance(request, Answer):
            return request
        prepared = intake.judge(request, project, IngestGrant(), self.terms.mask)
        if prepared.rejected:
            raise NotAllowed(prepared.rejected[0].reason, reason="project name is not fit")
        return prepared


async def _say(call: Call, said: Answer) -> None:
    await answer(call, said.status, JSON, said.body)


async def _as_otlp(call: Call, work: Coroutine[object, object, None]) -> None:
    """An error becomes a google.rpc.Status where the client speaks OTLP, else it is raised on."""
    try:
        await work
    except RoostError as error:
        encoding = _spoken(call)
        if encoding is None:
            raise
        log.info("%s: %s", error.status, error.reason or error.message)
        await _tell(call, error, encoding)


async def _tell(call: Call, error: RoostError, encoding: Encoding) -> None:
    """With the headers that a problem has: Retry-After, WWW-Authenticate, no caching."""
    body = encoded(status_of(error), encoding)
    own = {b"content-type": encoding.encode(), b"content-length": str(len(body)).encode()}
    status, headers, _ = answer_to(error, call.scope, ("'none'",))
    told = [(name, own.get(name, value)) for name, value in headers]
    await call.send({"type": "http.response.start", "status": status, "headers": told})
    await call.send({"type": "http.response.body", "body": body})


def _spoken(call: Call) -> Encoding | None:
    try:
        return encoding_of(call.header(b"content-type") or "")
    except BadRequest:
        return None
