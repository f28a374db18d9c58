"""An existing Phoenix, read over REST.

Source: Phoenix's OpenAPI: `getProjects`, `getSpans`, `list…Annotations`, `getUsers`; there since
10.6 (annotations of traces and sessions since 12). Rule 1: `getSpans`, not `otlpv1`: it names rows,
keeps lists as they are and times exact. Rule 2: oldest first where Phoenix can (20.26 can, 20.3
cannot), else newest first; the place means the same.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
from msgspec import Raw, Struct
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError

from roost.errors import BadRequest, NotAllowed, NotFound, TooLarge
from roost.ingest import logged_spans
from roost.ingest.backfill import Place, Project, Reject, Slice
from roost.ingest.backfill_annotations import Written, imported
from roost.ingest.backfill_calls import PhoenixCalls, Query
from roost.ingest.otlp_json import mended
from roost.log.records import Annotation

PAGE_SPANS = 500
IDS_AT_ONCE = 100
"""They stand in the URL: 100 of them are 5 KB."""
_KIND, _NO_KIND = "openinference.span.kind", "UNKNOWN"


class _Page(Struct):
    data: list[Raw]
    next_cursor: str | None = None


class _Project(Struct):
    id: str
    name: str


class _Context(Struct):
    trace_id: str = ""
    span_id: str = ""


class _Head(Struct):
    id: str
    context: _Context


class _User(Struct):
    id: str
    username: str


class _Target(Struct):
    span_id: str = ""
    trace_id: str = ""
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    row: int
    span_id: str
    span: Span | None
    reject: Reject | None


@dataclass(slots=True)
class RestPhoenix:
    """`count` says how many spans a project holds, by its id. `since`: only spans that began then
    or later. `lacks` are kinds of annotations that this Phoenix cannot list."""

    calls: PhoenixCalls
    count: Callable[[str], Awaitable[int | None]]
    since: datetime | None = None
    page_spans: int = PAGE_SPANS
    lacks: set[str] = field(default_factory=set)
    _upward: bool | None = None
    _users: dict[str, str] | None = None

    async def projects(self) -> list[Project]:
        """In the order in which they were made, without those of experiments."""
        rows = [msgspec.json.decode(one, type=_Project) for one in await self._all("/v1/projects")]
        return [Project(one.name, one.id, await self.count(one.id)) for one in reversed(rows)]

    async def slice(self, project: Project, place: Place) -> Slice:
        upward = await self._is_upward(project)
        page = await self._page(project, _next(place, upward=upward))
        rows = [_row(one, project.name) for one in page.data]
        return _up(rows, page, place) if upward else _down(rows, page, place)

    async def holds(self, project: Project, place: Place) -> bool:
        await self._is_upward(project)
        query = [("limit", "1"), ("cursor", _relay("Span", place.row)), *self._order()]
        page = _decoded(await self.calls.get(_spans_path(project), query))
        return any(_row(one, "").span_id == place.anchor for one in page.data)

    async def annotations(
        self, project: Project, of: str, targets: Sequence[str]
    ) -> list[Annotation]:
        found: list[Annotation] = []
        if of in self.lacks:
            return found
        path = f"/v1/projects/{project.id}/{of}_annotations"
        try:
            for at in range(0, len(targets), IDS_AT_ONCE):
                ids = [(f"{of}_ids", one) for one in targets[at : at + IDS_AT_ONCE]]
                found += [await self._annotation(of, one) for one in await self._all(path, ids)]
        except NotFound:
            # Older ones have no such list; none of the ids being there looks the same.
            if not await self._lists(path, of):
                self.lacks.add(of)
        return found

    async def _annotation(self, of: str, one: Raw) -> Annotation:
        written = msgspec.json.decode(one, type=Written)
        target: str = getattr(msgspec.json.decode(one, type=_Target), f"{of}_id")
        return imported(of, target, written, await self._author(written.user_id))

    async def _author(self, user_id: str | None) -> str:
        """Only an administrator may list users."""
        if user_id is None:
            return ""
        if self._users is None:
            try:
                rows = await self._all("/v1/users")
            except (NotAllowed, NotFound):
                rows = []
            users = [msgspec.json.decode(one, type=_User) for one in rows]
            self._users = {one.id: one.username for one in users}
        return self._users.get(user_id, f"user {_number(user_id)} of the former Phoenix")

    async def _lists(self, path: str, of: str) -> bool:
        """A list that is there refuses to be asked for nothing (422)."""
        try:
            await self.calls.get(path)
        except BadRequest:
            return True
        except NotFound:
            return False
        return True

    async def _is_upward(self, project: Project) -> bool:
        """Whether the order is asked for or passed over: then nonsense is no fault either."""
        if self._upward is None:
            try:
                await self.calls.get(_spans_path(project), [("limit", "1"), ("order", "sideways")])
                self._upward = False
            except BadRequest:
                self._upward = True
        return self._upward

    def _order(self) -> Query:
        return [("sort", "id"), ("order", "asc")] if self._upward else []

    async def _page(self, project: Project, cursor: Query) -> _Page:
        """As many spans as fit into an answer."""
        since = [("start_time", self.since.astimezone(UTC).isoformat())] if self.since else []
        limit = self.page_spans
        while True:
            query = [("limit", str(limit)), *cursor, *self._order(), *since]
            try:
                return _decoded(await self.calls.get(_spans_path(project), query))
            except TooLarge:
                if limit == 1:
                    raise
                limit //= 2

    async def _all(self, path: str, query: Query = ()) -> list[Raw]:
        rows: list[Raw] = []
        cursor: str | None = ""
        while cursor is not None:
            more = [("cursor", cursor)] if cursor else []
            page = _decoded(await self.calls.get(path, [("limit", "1000"), *query, *more]))
            rows += page.data
            cursor = page.next_cursor
        return rows


def _next(place: Place, *, upward: bool) -> Query:
    """The cursor that a page begins at."""
    if upward:
        return [("cursor", _relay("Span", place.after + 1))]
    return [("cursor", _relay("Span", place.until))] if place.until is not None else []


def _up(rows: Sequence[_Row], page: _Page, place: Place) -> Slice:
    if rows:
        place = Place(after=rows[-1].row, anchor=rows[-1].span_id)
    return _slice(rows, place, over=page.next_cursor is None)


def _down(rows: Sequence[_Row], page: _Page, place: Place) -> Slice:
    """From the newest to what an earlier run has read; each page turned round."""
    new = [one for one in rows if one.row > place.after]
    top = place.top or (new[0].row if new else place.after)
    anchor = new[0].span_id if new and not place.top else place.anchor
    over = page.next_cursor is None or len(new) < len(rows)
    if over:
        after = Place(after=top, anchor=anchor)
    else:
        until = _number(page.next_cursor or "")
        after = Place(after=place.after, until=until, top=top, anchor=anchor)
    return _slice(new[::-1], after, over=over)


def _slice(rows: Iterable[_Row], place: Place, *, over: bool) -> Slice:
    spans, rejects = [], []
    for one in rows:
        if one.span is not None:
            spans.append(one.span)
        elif one.reject is not None:
            rejects.append(one.reject)
    return Slice(place, over, spans, rejects)


def _row(raw: Raw, project: str) -> _Row:
    try:
        head = msgspec.json.decode(raw, type=_Head)
        row = _number(head.id)
    except (msgspec.MsgspecError, ValueError):
        raise BadRequest(
            "This Phoenix does not say which rows its spans stand in; it is too old for --from."
            " Use --from-file."
        ) from None
    context = head.context
    span = _span(raw)
    if isinstance(span, str):
        return _Row(
            row, context.span_id, None, Reject(project, context.trace_id, context.span_id, span)
        )
    return _Row(row, context.span_id, span, None)


def _span(raw: Raw) -> Span | str:
    """Or why it cannot be read."""
    try:
        logged = logged_spans.LoggedSpan.model_validate_json(mended(bytes(raw)))
    except ValidationError as error:
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
    request = logged_spans.convert([logged], ())
    if isinstance(request, logged_spans.Answer):
        invalid = msgspec.json.decode(request.body, type=dict[str, Raw])["invalid_spans"]
        return str(msgspec.json.decode(invalid, type=list[dict[str, str]])[0]["error"])
    span = request.resource_spans[0].scope_spans[0].spans[0]
    _forget_no_kind(span)
    return span


def _forget_no_kind(span: Span) -> None:
    """Phoenix says UNKNOWN where a span has told none."""
    for at in reversed(range(len(span.attributes))):
        pair = span.attributes[at]
        if pair.key == _KIND and pair.value.string_value == _NO_KIND:
            del span.attributes[at]


def _decoded(body: bytes) -> _Page:
    try:
        return msgspec.json.decode(mended(body), type=_Page)
    except msgspec.MsgspecError as error:
        raise BadRequest(f"Phoenix's answer is not understood: {error}") from None


def _spans_path(project: Project) -> str:
    return f"/v1/projects/{project.id}/spans"


def _relay(kind: str, row: int) -> str:
    return base64.b64encode(f"{kind}:{row}".encode()).decode()


def _number(relay_id: str) -> int:
    """
    >>> _number("U3BhbjoxMg==")
    12
    """
    try:
        return int(base64.b64decode(relay_id).decode().partition(":")[2])
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None
