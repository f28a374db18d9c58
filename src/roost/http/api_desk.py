"""The keeper's side of Roost's own API: a question about one tenant's home, answered once.

Rule 1: nothing is asked of a home but with the sight that stands in the question. Rule 2: what is
answered is encoded here and passed on as it is; SQLite, decoding and encoding are done on threads,
in each tenant's turn.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import assert_never

import msgspec
from isal import igzip
from msgspec import Struct
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from roost.errors import NotFound
from roost.http import api_messages as q
from roost.http.api import shapes
from roost.http.api.bodies import Body, as_text
from roost.http.api.export import Exporting, Window
from roost.http.api.held import Bodies
from roost.http.api.indexed import Looking
from roost.http.api.lines import MEDIA_TYPES
from roost.http.api.rows import Forwarding
from roost.http.api.turns import Apart, Turns
from roost.http.home import Home
from roost.index.rows import TraceRow
from roost.model import Tenant
from roost.policy.forwarding import ForwardPolicy
from roost.storage.progress import Parked

JSON = "application/json"
GZIP_BYTES_MIN = 1_400
GZIP_LEVEL = 2
FAULT = "Phoenix of this tenant takes no spans just now. They are kept, and sent once it does."

SpansOfCell = Callable[[Tenant, str, str, Sequence[str]], Awaitable[Sequence[Span]]]


@dataclass(frozen=True, slots=True)
class Answered:
    """`body` is the whole, or `chunks` what comes bit by bit; a status of 304 has neither."""

    kind: str = JSON
    body: bytes = b""
    chunks: AsyncIterator[bytes] | None = None
    etag: str = ""
    status: int = 200
    is_packed: bool = False


@dataclass(frozen=True, slots=True)
class ApiDesk:
    """`home_of` opens a tenant's home by its id; `policies` are those by which homes forward, by
    project pattern; `spans_of_cell` fetches bodies that the log does not hold."""

    home_of: Callable[[str], Awaitable[Home]]
    policies: Mapping[str, ForwardPolicy]
    spans_of_cell: SpansOfCell
    turns: Turns

    async def answer(self, ask: q.Ask) -> Answered:
        """NotFound, NotAllowed, BadRequest or Unavailable where there is no answer."""
        return await _Answering(self, ask, self.turns.of(ask.tenant_id)).answer()


@dataclass(frozen=True, slots=True)
class _Answering:
    desk: ApiDesk
    ask: q.Ask
    apart: Apart

    async def answer(self) -> Answered:
        match self.ask.question:
            case q.Export() as question:
                chunks = Exporting(self._window, self.apart, question).chunks()
                return Answered(MEDIA_TYPES[question.format], chunks=chunks)
            case q.Tree() | q.SpanBody() as question:
                return await self._revalidated(question)
            case q.SpanValue() as question:
                return await self._value(question)
            case q.IngestState() | q.ParkedSpans() | q.RetryParked() as question:
                return await self._encoded(await self._ingest(question))
            case question:
                return await self._indexed(question)

    async def _revalidated(self, question: q.Tree | q.SpanBody) -> Answered:
        """304 where the caller holds what has not changed."""
        window = await self._window()
        row = await self.apart(partial(window.looking.row, question.trace_id))
        etag = self._etag(row)
        if etag in self.ask.known or "*" in self.ask.known:
            return Answered(etag=etag, status=304)
        if isinstance(question, q.Tree):
            return await self._indexed(question, etag)
        body = await self._body(window, question.span_id, row)
        return await self._encoded_by(body.shown, etag)

    async def _value(self, question: q.SpanValue) -> Answered:
        window = await self._window()
        row = await self.apart(partial(window.looking.row, question.trace_id))
        body = await self._body(window, question.span_id, row)
        return await self._encoded_by(partial(_part, body, question))

    async def _body(self, window: Window, span_id: str, row: TraceRow) -> Body:
        place = await self.apart(partial(window.looking.place, row.trace_id, span_id))
        return Body(await window.bodies.one(place, row.project), window.looking.sight)

    async def _indexed(self, question: q.Indexed, etag: str = "") -> Answered:
        looking = (await self._window()).looking
        return await self._encoded_by(partial(looking.answer, question), etag)

    async def _ingest(self, question: q.Ingested) -> Struct:
        home = await self.desk.home_of(self.ask.tenant_id)
        match question:
            case q.IngestState():
                return await _state(home)
            case q.ParkedSpans(after, limit):
                found = await home.progress.parked(after, limit)
                more = found[-1].id if len(found) == limit else None
                return shapes.ParkedSpans([_parked(one) for one in found], more)
            case q.RetryParked(ids):
                return shapes.Retried(await home.retry(ids))
            case _:
                assert_never(question)

    async def _window(self) -> Window:
        home = await self.desk.home_of(self.ask.tenant_id)
        forwarding = Forwarding(home.forward.cursor, self.desk.policies)
        mark = blake2b(self.ask.tenant_id.encode(), digest_size=6).hexdigest()
        looking = Looking(mark, lambda: home.index.index.queries, self.ask.sight, forwarding)
        return Window(looking, Bodies(home.log.get, partial(self._in_cell, home), self.apart))

    async def _in_cell(
        self, home: Home, project: str, trace_id: str, span_ids: Sequence[str]
    ) -> Sequence[Span]:
        """In a turn of its own: a cell that wakes must not keep the index waiting."""
        async with self.desk.turns.taken(f"{home.tenant.id} in its cell"):
            return await self.desk.spans_of_cell(home.tenant, project, trace_id, span_ids)

    async def _encoded(self, value: Struct) -> Answered:
        return await self._encoded_by(lambda: value)

    async def _encoded_by(self, make: Callable[[], Struct], etag: str = "") -> Answered:
        return await self.apart(partial(_packed, make, etag, gzip=self.ask.gzip))

    def _etag(self, row: TraceRow) -> str:
        """Of tenant, sight, question, and what the index last knew of the trace."""
        asked = (self.ask.tenant_id, self.ask.sight, self.ask.question, row)
        said = msgspec.json.encode(asked, order="deterministic")
        return f'W/"{blake2b(said, digest_size=12).hexdigest()}"'


def _packed(make: Callable[[], Struct], etag: str, *, gzip: bool) -> Answered:
    body = msgspec.json.encode(make())
    if not gzip or len(body) < GZIP_BYTES_MIN:
        return Answered(body=body, etag=etag)
    return Answered(body=igzip.compress(body, GZIP_LEVEL), etag=etag, is_packed=True)


def _part(body: Body, question: q.SpanValue) -> shapes.Value:
    """NotFound for a path that is not there, or that the caller may not see."""
    found = next((value for path, value in body.values() if path == question.path), None)
    if found is None:
        raise NotFound("The span has no such value.")
    text = as_text(found)
    end = question.offset + question.limit
    return shapes.Value(
        path=question.path,
        encoding=shapes.Encoding.TEXT if isinstance(found, str) else shapes.Encoding.JSON,
        chars=len(text),
        offset=question.offset,
        text=text[question.offset : end],
        next=end if end < len(text) else None,
    )


async def _state(home: Home) -> shapes.Ingest:
    """Why nothing goes on is for the operator: a tenant is told that it is so."""
    row = await home.row()
    return shapes.Ingest(
        received=row.received,
        settled=row.settled,
        indexed=row.indexed,
        unconfirmed=row.unconfirmed,
        confirmed=row.confirmed,
        skipped=row.skipped,
        deleted=row.deleted,
        parked=row.parked,
        waiting=row.waiting,
        stored_bytes=row.stored_bytes,
        oldest_pending_s=row.oldest_pending_s,
        fault=FAULT if row.fault else None,
    )


def _parked(row: Parked) -> shapes.Parked:
    parking = row.parking
    return shapes.Parked(
        id=row.id,
        trace_id=parking.trace_id.hex(),
        span_id=parking.span_id.hex(),
        project=parking.project,
        reason=parking.reason,
        parked_at_us=round(row.parked_at * 1_000_000),
    )
