"""Every trace of a filter, or every span of them, as a stream of lines.

Rule: constant memory: a page of rows, a few records of the log and one chunk of lines at a time;
and for each page the home is looked into anew, so that it is in use for as long as this lasts.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from roost.errors import NotFound
from roost.http import api_messages as q
from roost.http.api.bodies import Body, Held
from roost.http.api.held import Bodies
from roost.http.api.indexed import Looking
from roost.http.api.lines import header, lines
from roost.http.api.turns import Apart
from roost.index.filters import Sort, SortBy
from roost.index.rows import SpanPlace, TracePage, TraceRow
from roost.index.trees import MAX_SPANS

PAGE_ROWS = 200
RECORDS_AT_ONCE = 8
SPANS_AT_ONCE = 500
PLACES_AT_ONCE = 5_000
_OLDEST = Sort(SortBy.START, descending=False)


@dataclass(frozen=True, slots=True)
class Window:
    """One look into the home."""

    looking: Looking
    bodies: Bodies


@dataclass(frozen=True, slots=True)
class Exporting:
    """`look` opens the home where it is not open."""

    look: Callable[[], Awaitable[Window]]
    apart: Apart
    question: q.Export

    async def chunks(self) -> AsyncIterator[bytes]:
        """The first comes once the first page is there: what is refused is refused by then."""
        begin = header(self.question.format, bodies=self.question.bodies)
        cursor: str | None = None
        while True:
            window = await self.look()
            page = await self.apart(partial(self._page, window, cursor))
            yield begin
            async for chunk in self._of_page(window, page):
                yield chunk
            if page.next is None:
                return
            begin, cursor = b"", page.next

    def _page(self, window: Window, cursor: str | None) -> TracePage:
        return window.looking.page(self.question.wanted, _OLDEST, cursor, PAGE_ROWS)

    async def _of_page(self, window: Window, page: TracePage) -> AsyncIterator[bytes]:
        if not self.question.bodies:
            yield await self.apart(partial(self._rows, window, page.rows))
            return
        for rows in _few(page.rows):
            places = await self.apart(partial(self._places, window, rows))
            projects = {row.trace_id: row.project for row in rows}
            for some in _together(places):
                held = await window.bodies.some(some, projects)
                yield await self.apart(partial(self._spans, window, held))

    def _rows(self, window: Window, rows: Sequence[TraceRow]) -> bytes:
        shown = map(window.looking.shown, rows)
        return lines(self.question.format, shown, bodies=False)

    def _places(self, window: Window, rows: Sequence[TraceRow]) -> list[SpanPlace]:
        """Without those of traces that were deleted since their page was read."""
        found: list[SpanPlace] = []
        for row in rows:
            with suppress(NotFound):
                found += window.looking.places(row.trace_id, MAX_SPANS)
        return found

    def _spans(self, window: Window, held: Sequence[Held]) -> bytes:
        sight = window.looking.sight
        shown = (Body(one, sight).shown(whole=True) for one in held)
        return lines(self.question.format, shown, bodies=True)


def _few(rows: Sequence[TraceRow]) -> Iterator[list[TraceRow]]:
    """One after the other, so many that their spans' places are few."""
    some: list[TraceRow] = []
    for row in rows:
        if some and sum(one.spans for one in (*some, row)) > PLACES_AT_ONCE:
            yield some
            some = []
        some.append(row)
    if some:
        yield some


def _together(places: Sequence[SpanPlace]) -> Iterator[list[SpanPlace]]:
    """In their order, so many that their records, which are in memory together, are few: what comes
    one after the other has mostly come together."""
    some: list[SpanPlace] = []
    positions: set[int | None] = set()
    for place in places:
        positions.add(place.position)
        if len(some) >= SPANS_AT_ONCE or len(positions) > RECORDS_AT_ONCE:
            yield some
            some, positions = [], {place.position}
        some.append(place)
    if some:
        yield some
