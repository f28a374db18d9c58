"""What the index alone answers, for one caller. Blocks its thread while SQLite works.

Rule: each question is asked with the caller's own viewer; what comes back is shown by their sight.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from msgspec import Struct

from roost.errors import BadRequest
from roost.http import api_messages as q
from roost.http.api import rows, shapes
from roost.http.api.fields import refuse_hidden_filters
from roost.http.api.rows import Forwarding
from roost.index.filters import Sort, SortBy, TraceFilter
from roost.index.queries import Queries
from roost.index.rows import AnnotationRow, SessionRow, SpanPlace, TracePage, TraceRow
from roost.index.viewer import Viewer

_FIRST, _LAST = Sort(SortBy.START, descending=False), Sort(SortBy.START)


@dataclass(frozen=True, slots=True)
class Looking:
    """One caller before one home's index. `mark` is the home's own: it stands in front of each
    cursor, so that none goes on elsewhere. `current` gives the index that stands now: another may
    take its place at any time."""

    mark: str
    current: Callable[[], Queries]
    sight: q.Sight
    forwarding: Forwarding

    @property
    def queries(self) -> Queries:
        return self.current()

    @property
    def viewer(self) -> Viewer:
        return self.sight.viewer

    def answer(self, question: q.Indexed) -> Struct:
        match question:
            case q.Projects():
                return self._projects()
            case q.Traces() | q.SessionTraces():
                return self._traces(question)
            case q.TraceCount() | q.TraceFacets() | q.Histogram():
                return self._summary(question)
            case q.OneTrace(trace_id):
                return self.shown(self.queries.trace(self.viewer, trace_id))
            case q.Tree(trace_id, limit):
                return rows.tree(self.queries.skeleton(self.viewer, trace_id, limit))
            case q.Sessions() | q.OneSession():
                return self._sessions(question)
            case q.TraceAnnotations(trace_id):
                return self._annotations(self.queries.annotations(self.viewer, trace_id))
            case q.SessionAnnotations(session):
                return self._annotations(self.queries.session_annotations(self.viewer, session))
            case q.UsageSeries() | q.UsageTops():
                return self._usage(question)
            case _:
                assert_never(question)

    def page(self, wanted: TraceFilter, sort: Sort, cursor: str | None, limit: int) -> TracePage:
        refuse_hidden_filters(self.sight, wanted)
        return self.queries.traces(self.viewer, wanted, sort, after=cursor, limit=limit)

    def _own(self, cursor: str | None) -> str | None:
        """The index's own, of what was handed out here. BadRequest where it is another home's."""
        if cursor is None:
            return None
        mark, _, own = cursor.partition(".")
        if mark != self.mark:
            raise BadRequest(
                "The cursor belongs to another query. Ask without one, and use the `next` of its "
                "answer."
            )
        return own

    def _handed_out(self, own: str | None) -> str | None:
        return None if own is None else f"{self.mark}.{own}"

    def row(self, trace_id: str) -> TraceRow:
        return self.queries.trace(self.viewer, trace_id)

    def place(self, trace_id: str, span_id: str) -> SpanPlace:
        return self.queries.place(self.viewer, trace_id, span_id)

    def places(self, trace_id: str, limit: int) -> Sequence[SpanPlace]:
        return self.queries.places(self.viewer, trace_id, limit)

    def _projects(self) -> Struct:
        found = self.queries.projects(self.viewer)
        return shapes.Projects([shapes.Project(one.name, one.traces, one.last_us) for one in found])

    def _traces(self, question: q.Traces | q.SessionTraces) -> Struct:
        if isinstance(question, q.SessionTraces):
            self.queries.session(self.viewer, question.session)
            wanted, sort = TraceFilter(session=question.session), _FIRST
        else:
            wanted, sort = question.wanted, question.sort
        page = self.page(wanted, sort, self._own(question.cursor), question.limit)
        return shapes.Traces([self.shown(one) for one in page.rows], self._handed_out(page.next))

    def _summary(self, question: q.TraceCount | q.TraceFacets | q.Histogram) -> Struct:
        wanted = question.wanted
        refuse_hidden_filters(self.sight, wanted)
        if isinstance(question, q.TraceCount):
            counted = self.queries.count(self.viewer, wanted)
            return shapes.Count(counted.count, counted.more)
        if isinstance(question, q.Histogram):
            bars = self.queries.histogram(self.viewer, wanted, question.width_us)
            shown = [shapes.Bar(one.start_us, one.traces, one.failed) for one in bars]
            return shapes.Histogram(question.width_us, shown)
        found = self.queries.facets(self.viewer, wanted, question.dimensions, question.limit)
        values = {
            str(dimension): [shapes.FacetValue(one.value, one.count) for one in some]
            for dimension, some in found.values.items()
        }
        return shapes.Facets(found.counted, found.whole, values)

    def shown(self, row: TraceRow) -> shapes.Trace:
        return rows.trace(row, self.sight, self.forwarding)

    def _sessions(self, question: q.Sessions | q.OneSession) -> Struct:
        if isinstance(question, q.OneSession):
            return self._session(self.queries.session(self.viewer, question.session))
        page = self.queries.sessions(
            self.viewer, question.wanted, after=self._own(question.cursor), limit=question.limit
        )
        shown = [self._session(one) for one in page.rows]
        return shapes.Sessions(shown, self._handed_out(page.next))

    def _session(self, row: SessionRow) -> shapes.Session:
        return rows.session(row, self.sight, self._ends)

    def _ends(self, session: str) -> tuple[TraceRow | None, TraceRow | None]:
        """The first and the last trace of a session, as far as the caller sees any."""
        wanted = TraceFilter(session=session)
        pages = (
            self.queries.traces(self.viewer, wanted, sort, limit=1) for sort in (_FIRST, _LAST)
        )
        first, last = (page.rows[0] if page.rows else None for page in pages)
        return first, last

    def _annotations(self, found: Sequence[AnnotationRow]) -> Struct:
        return shapes.Annotations(
            [rows.annotation(one) for one in found if rows.is_seen(one, self.sight)]
        )

    def _usage(self, question: q.UsageSeries | q.UsageTops) -> Struct:
        if isinstance(question, q.UsageTops):
            groups = self.queries.tops(
                self.viewer, question.query, question.measure, question.limit
            )
            return shapes.UsageTops([rows.usage_group(one) for one in groups])
        usage = self.queries.usage(self.viewer, question.query)
        return shapes.Usage([rows.usage_group(one) for one in usage.groups], usage.price_source)
