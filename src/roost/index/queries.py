"""Everything that can be asked of an index, one method each.

Rule: the first parameter of each is whose eyes it answers for. All of them may raise Unavailable:
the search takes too long, or too many are under way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from roost.errors import BadRequest
from roost.index import changes, cursors, overview, sessions, traces, trees, usage
from roost.index.asked import ask
from roost.index.effort import Effort
from roost.index.filters import (
    MAX_PAGE_ROWS,
    PAGE_ROWS,
    Dimension,
    Measure,
    Sort,
    SortBy,
    TraceFilter,
    UsageQuery,
)
from roost.index.reading import Readers
from roost.index.rows import (
    AnnotationRow,
    Bar,
    Changes,
    Count,
    Facets,
    ProjectRow,
    SessionPage,
    SessionRow,
    Skeleton,
    SpanPlace,
    TracePage,
    TraceRow,
    Usage,
    UsageGroup,
)
from roost.index.sessions import SessionFilter
from roost.index.viewer import Viewer
from roost.log.base import Position

MAX_ANNOTATIONS = 1_000
MAX_FACET_VALUES = 100
MAX_CHANGES = 500
_EXPORT_ROWS = 500
_NEWEST = Sort()
_OLDEST = Sort(SortBy.START, descending=False)


class Queries:
    """May be asked from any thread; each call blocks its thread for as long as SQLite takes."""

    def __init__(self, readers: Readers, price_source: str, effort: Effort) -> None:
        self._readers = readers
        self._effort = effort
        self._price_source = price_source

    def projects(self, viewer: Viewer) -> Sequence[ProjectRow]:
        with self._readers.borrowed() as db:
            return overview.projects(db, viewer)

    def traces(
        self,
        viewer: Viewer,
        wanted: TraceFilter,
        sort: Sort = _NEWEST,
        *,
        after: str | None = None,
        limit: int = PAGE_ROWS,
    ) -> TracePage:
        """`after` is the `next` of the page before. BadRequest where it is of another query."""
        digest = cursors.digest_of(viewer, wanted, sort)
        edge = cursors.read(after, digest)
        limit = _bounded(limit, MAX_PAGE_ROWS)
        with self._readers.borrowed() as db:
            asked = ask(db, viewer, wanted, self._effort)
            found = [] if asked is None else traces.page(db, asked, sort, edge, limit + 1)
            rows = traces.rows_of(db, [one.id for one in found[:limit]])
        more = len(found) > limit
        return TracePage(rows, cursors.written(found[limit - 1], digest) if more else None)

    def count(self, viewer: Viewer, wanted: TraceFilter) -> Count:
        """Up to 1,000."""
        with self._readers.borrowed() as db:
            asked = ask(db, viewer, wanted, self._effort)
            return Count(0, more=False) if asked is None else traces.count(db, asked)

    def facets(
        self,
        viewer: Viewer,
        wanted: TraceFilter,
        dimensions: Sequence[Dimension] = tuple(Dimension),
        limit: int = 10,
    ) -> Facets:
        """Of the newest 10,000 traces of the filter."""
        with self._readers.borrowed() as db:
            asked = ask(db, viewer, wanted, self._effort)
            return overview.facets(db, asked, dimensions, _bounded(limit, MAX_FACET_VALUES))

    def histogram(self, viewer: Viewer, wanted: TraceFilter, width_us: int) -> Sequence[Bar]:
        """Whole bars that touch the filter's [since, until), both of which must be given. From
        stored hours, and so the fastest, where nothing but project and time is filtered and the
        width is of whole hours."""
        if wanted.since_us is None or wanted.until_us is None:
            raise BadRequest("bars over time need a beginning and an end")
        bars = wanted.since_us, wanted.until_us, width_us
        with self._readers.borrowed() as db:
            whole = replace(wanted, since_us=None, until_us=None)
            asked = ask(db, viewer, whole, self._effort)
            return overview.histogram(db, viewer, asked, bars)

    def trace(self, viewer: Viewer, trace_id: str) -> TraceRow:
        """NotFound where it is not there, or not the viewer's."""
        with self._readers.borrowed() as db:
            return traces.rows_of(db, [traces.visible(db, viewer, trace_id)])[0]

    def skeleton(self, viewer: Viewer, trace_id: str, limit: int = trees.MAX_SPANS) -> Skeleton:
        with self._readers.borrowed() as db:
            found = traces.visible(db, viewer, trace_id)
            return trees.skeleton(db, found, _bounded(limit, trees.MAX_SPANS))

    def place(self, viewer: Viewer, trace_id: str, span_id: str) -> SpanPlace:
        """Where the span's body stands."""
        with self._readers.borrowed() as db:
            return trees.place(db, traces.visible(db, viewer, trace_id), span_id)

    def places(
        self, viewer: Viewer, trace_id: str, limit: int = trees.MAX_SPANS
    ) -> Sequence[SpanPlace]:
        """Of all the trace's spans, in the order of the log."""
        with self._readers.borrowed() as db:
            found = traces.visible(db, viewer, trace_id)
            return trees.places(db, found, _bounded(limit, trees.MAX_SPANS))

    def annotations(self, viewer: Viewer, trace_id: str) -> Sequence[AnnotationRow]:
        """Of the trace and of its spans, the oldest first, 1,000 at most."""
        with self._readers.borrowed() as db:
            found = traces.visible(db, viewer, trace_id)
            return trees.annotations_of_trace(db, found, MAX_ANNOTATIONS)

    def sessions(
        self,
        viewer: Viewer,
        wanted: SessionFilter,
        *,
        after: str | None = None,
        limit: int = PAGE_ROWS,
    ) -> SessionPage:
        """The latest first. A session's traces in order: `traces`, filtered by the session, sorted
        by start, ascending."""
        digest = cursors.digest_of(viewer, wanted)
        edge = cursors.read(after, digest)
        limit = _bounded(limit, MAX_PAGE_ROWS)
        with self._readers.borrowed() as db:
            found = sessions.page(db, viewer, wanted, edge, limit + 1)
            rows = sessions.rows_of(db, viewer, [one.id for one in found[:limit]])
        more = len(found) > limit
        return SessionPage(rows, cursors.written(found[limit - 1], digest) if more else None)

    def session(self, viewer: Viewer, session: str) -> SessionRow:
        """NotFound where the viewer sees no trace of it."""
        with self._readers.borrowed() as db:
            return sessions.rows_of(db, viewer, [sessions.visible(db, viewer, session)])[0]

    def session_annotations(self, viewer: Viewer, session: str) -> Sequence[AnnotationRow]:
        with self._readers.borrowed() as db:
            sessions.visible(db, viewer, session)
            return trees.annotations_of_session(db, session, MAX_ANNOTATIONS)

    def usage(self, viewer: Viewer, query: UsageQuery) -> Usage:
        """Series over time by group."""
        with self._readers.borrowed() as db:
            return Usage(usage.series(db, viewer, query), self._price_source)

    def tops(
        self, viewer: Viewer, query: UsageQuery, measure: Measure, limit: int = 10
    ) -> Sequence[UsageGroup]:
        """The greatest groups of `query.by`, without points."""
        with self._readers.borrowed() as db:
            return usage.tops(db, viewer, query, measure, _bounded(limit, usage.MAX_GROUPS))

    def changed_since(self, viewer: Viewer, after: Position, limit: int = 100) -> Changes:
        """For watchers that come back."""
        with self._readers.borrowed() as db:
            return changes.changed_since(db, viewer, after, _bounded(limit, MAX_CHANGES))

    def export(self, viewer: Viewer, wanted: TraceFilter) -> Iterator[TraceRow]:
        """Every trace of the filter, the oldest first, page by page: constant memory, and no reader
        is held between two pages. A trace that arrives meanwhile may be among them."""
        after: str | None = None
        while True:
            page = self.traces(viewer, wanted, _OLDEST, after=after, limit=_EXPORT_ROWS)
            yield from page.rows
            if (after := page.next) is None:
                return


def _bounded(limit: int, most: int) -> int:
    if limit < 1:
        raise BadRequest("ask for at least one")
    return min(limit, most)
