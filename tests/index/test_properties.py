"""Random homes: however their log is cut into transactions, whatever is deleted when, and whoever
looks, the answers are those of the simplest home that holds the same."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.index.contents import Contents, contents_of
from tests.index.spans import (
    HOUR_US,
    T0_US,
    Made,
    deletion_record,
    made,
    span_hex,
    spans_record,
    trace_hex,
)

from roost.index.effort import Effort
from roost.index.filters import (
    Grain,
    Sort,
    SortBy,
    Status,
    TraceFilter,
    UsageBy,
    UsageQuery,
)
from roost.index.home import Index
from roost.index.prices import Call
from roost.index.queries import Queries
from roost.index.rows import SessionPage, TraceRow
from roost.index.sessions import SessionFilter
from roost.index.viewer import EVERYTHING, OwnTraces, Viewer
from roost.log.base import Position, Record
from roost.log.records import Deletion

ANN = OwnTraces("ann")
EFFORTS = (Effort(), Effort(few=0, rare=0, lots=1_000), Effort(few=0, rare=0, lots=0))
DEADLINE = settings(deadline=None, max_examples=30)


class Flat:
    """A `Price`: a nano-dollar a token, and none for one model."""

    source = "flat"

    def __call__(self, call: Call) -> int | None:
        return None if call.model == "house" else call.prompt + call.completion


@contextmanager
def home(records: Sequence[Record], effort: Effort | None = None) -> Iterator[Index]:
    with (
        tempfile.TemporaryDirectory() as directory,
        Index.open(Path(directory) / "index.db", price=Flat(), effort=effort) as index,
    ):
        index.apply(records)
        yield index


def contents(records: Sequence[Record]) -> Contents:
    with home(records) as index:
        return contents_of(index)


@st.composite
def spans(draw: st.DrawFn, *, steady: bool = False, crossed: bool = True) -> list[Made]:
    """Up to 14 spans of up to 5 traces, some of them repeats; `crossed`: also under another trace.
    `steady`: no span is repeated, and project, session and user are the same all over a trace, so
    that their order does not matter."""
    found = []
    for at in range(draw(st.integers(1, 14))):
        trace = draw(st.integers(1, 5))
        number = 100 + at if steady else draw(st.integers(100, 112))
        number += 0 if crossed else trace * 100
        of_trace = trace if steady else draw(st.integers(1, 5))
        kind = draw(st.sampled_from(("LLM", "TOOL", "AGENT")))
        given_ = {
            "parent": draw(st.sampled_from((None, 100, 101, 102, 99))),
            "name": draw(st.sampled_from(("plan", "answer", "search"))),
            "start": at * 7 if steady else draw(st.integers(0, 3)) * (HOUR_US // 2),
            "latency": draw(st.sampled_from((1_000, 50_000, 2 * HOUR_US))),
            "status": draw(st.sampled_from((0, 0, 1, 2))),
            "project": ("one", "two")[of_trace % 2],
            "kind": kind,
            "input": draw(st.sampled_from(("where is the penguin", "a zebra", "Crème brûlée"))),
        }
        if kind == "LLM":
            model = (
                ("gpt", "house")[of_trace % 2]
                if steady
                else draw(st.sampled_from(("gpt", "house")))
            )
            given_ |= {"model": model, "provider": "acme", "prompt": draw(st.integers(0, 9))}
            given_ |= {"completion": draw(st.integers(0, 9))}
        user = (None, "ann", "bob", "bob", "ann")[of_trace - 1]
        session = (None, "s1", "s2", "s1", "s2")[of_trace - 1]
        if user and (steady or draw(st.booleans())):
            given_ |= {"user": user}
        if session and (steady or draw(st.booleans())):
            given_ |= {"session": session}
        found.append(made(trace, number, **given_))
    return found


def records(some: Sequence[Made]) -> list[Record]:
    return [spans_record(at, one) for at, one in enumerate(some, start=1)]


def later(record: Record, by: int) -> Record:
    return replace(record, position=Position(record.position + by))


@DEADLINE
@given(spans(), st.lists(st.integers(1, 5), max_size=14))
def test_it_does_not_matter_how_the_log_is_cut(some: list[Made], cuts: list[int]) -> None:
    log = records(some)
    with home([]) as index:
        left = list(log)
        for cut in [*cuts, len(log)]:
            index.apply(left[:cut])
            left = left[cut:]
        assert contents_of(index) == contents(log)


@DEADLINE
@given(spans(steady=True), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing_but_the_places(
    some: list[Made], chance: object
) -> None:
    other = list(some)
    chance.shuffle(other)  # type: ignore[attr-defined]
    one, two = contents(records(some)), contents(records(other))
    assert one.without("changes", "places") == two.without("changes", "places")
    assert one.said == two.said


@DEADLINE
@given(spans(steady=True), st.data())
def test_a_deletion_has_the_same_effect_whenever_it_comes(
    some: list[Made], data: st.DataObject
) -> None:
    """Of what is shown of the root, only a span that comes later can replace what went with it; so
    previews are left out, and so are words, which are kept with the first span that said them."""
    deletion = data.draw(
        st.sampled_from(
            (
                Deletion(traces=(trace_hex(1), trace_hex(2))),
                Deletion(spans=(span_hex(100), span_hex(103), span_hex(104))),
                Deletion(traces=(trace_hex(3),), spans=(span_hex(101),)),
            )
        )
    )
    moment = data.draw(st.integers(0, len(some)))
    at_once = data.draw(st.booleans())
    log = records(some)
    buried = deletion_record(50, deletion)
    first = [
        deletion_record(1, deletion),
        *[later(one, 1) for one in log],
    ]
    with home([]) as index:
        before, after = (
            log[:moment],
            [later(one, 100) for one in log[moment:]],
        )
        for step in [[*before, buried, *after]] if at_once else [before, [buried], after]:
            index.apply(step)
        found = contents_of(index)
    expected = contents(first)
    ignored = ("changes", "places", "previews")
    assert found.without(*ignored) == expected.without(*ignored)


@DEADLINE
@given(spans())
def test_deleting_everything_leaves_nothing(some: list[Made]) -> None:
    log = records(some)
    with home(log) as index:
        for position, project in ((100, "one"), (101, "two")):
            index.apply([deletion_record(position, Deletion(project=project))])
        index.sweep()
        found = contents_of(index)
        assert {name for name, rows in found.tables.items() if rows} <= {"tombstones"}
        assert not found.said
        assert index.read(lambda db: db.execute("SELECT text FROM word").fetchall()) == []


def answers(queries: Queries, viewer: Viewer) -> list[object]:
    """Everything that is asked on a screen, for many filters."""
    found: list[object] = [queries.projects(viewer), queries.sessions(viewer, SessionFilter())]
    for wanted in FILTERS:
        found += [
            queries.count(viewer, wanted),
            queries.facets(viewer, wanted),
            queries.histogram(
                viewer,
                replace(wanted, since_us=T0_US - HOUR_US, until_us=T0_US + 3 * HOUR_US),
                HOUR_US,
            ),
            *(queries.traces(viewer, wanted, Sort(by)).rows for by in (SortBy.START, SortBy.COST)),
        ]
    for by in UsageBy:
        for grain in Grain:
            query = UsageQuery(T0_US - HOUR_US, T0_US + 5 * HOUR_US, grain, by)
            found.append(queries.usage(viewer, query))
    return found


FILTERS = (
    TraceFilter(),
    TraceFilter(project="one"),
    TraceFilter(status=Status.ERROR),
    TraceFilter(has_errors=True),
    TraceFilter(has_errors=False),
    TraceFilter(model="gpt"),
    TraceFilter(model="gpt", provider="acme", name="plan"),
    TraceFilter(user="ann"),
    TraceFilter(user="bob"),
    TraceFilter(session="s1"),
    TraceFilter(span_kind="TOOL"),
    TraceFilter(kind="AGENT", min_latency_us=10_000),
    TraceFilter(min_tokens=5, max_cost_usd=0.5),
    TraceFilter(since_us=T0_US, until_us=T0_US + HOUR_US),
    TraceFilter(text="penguin"),
    TraceFilter(text="zeb* answer"),
    TraceFilter(text="creme"),
)


@settings(deadline=None, max_examples=12)
@given(spans(crossed=False), st.sampled_from(EFFORTS))
def test_an_end_user_sees_the_home_that_holds_only_their_traces(
    some: list[Made], effort: Effort
) -> None:
    with home(records(some), effort) as index:
        own = {row.trace_id for row in index.queries.export(ANN, TraceFilter())}
        everything = answers(index.queries, ANN)
    log = zip(records(some), some, strict=True)
    mine = [record for record, one in log if trace_hex(one.trace) in own]
    with home(mine, effort) as index:
        assert answers(index.queries, ANN) == everything
        assert placeless(answers(index.queries, EVERYTHING)) == placeless(everything)


def placeless(found: list[object]) -> list[object]:
    """Without the projects of sessions: the home has a session where the span that began it was,
    an end user has it where their first trace of it is, which an earlier span may have put
    elsewhere."""
    return [
        replace(one, rows=[replace(row, project="") for row in one.rows])
        if isinstance(one, SessionPage)
        else one
        for one in found
    ]


@settings(deadline=None, max_examples=12)
@given(spans())
def test_every_way_to_the_traces_gives_the_same(some: list[Made]) -> None:
    found = []
    for effort in EFFORTS:
        with home(records(some), effort) as index:
            found.append(answers(index.queries, EVERYTHING))
    assert found[0] == found[1] == found[2]


@settings(deadline=None, max_examples=15)
@given(spans(), st.sampled_from(SortBy), st.booleans(), st.sampled_from(EFFORTS))
def test_cursors_meet_every_trace_once(
    some: list[Made], by: SortBy, descending: bool, effort: Effort
) -> None:
    with home(records(some), effort) as index:
        for wanted in (TraceFilter(), TraceFilter(span_kind="LLM"), TraceFilter(text="penguin")):
            sort = Sort(by, descending)
            whole = index.queries.traces(EVERYTHING, wanted, sort, limit=500).rows
            met: list[TraceRow] = []
            after = None
            while True:
                page = index.queries.traces(EVERYTHING, wanted, sort, after=after, limit=2)
                met += page.rows
                if (after := page.next) is None:
                    break
            assert met == list(whole)


@DEADLINE
@given(spans())
def test_a_trace_is_an_end_users_where_every_user_of_its_spans_is_theirs(some: list[Made]) -> None:
    with home(records(some)) as index:
        users: dict[str, set[str]] = {}
        first: dict[int, Made] = {}
        for one in some:
            if one.span not in first:
                first[one.span] = one
                named = dict(one.attributes).get("user.id")
                users.setdefault(trace_hex(one.trace), set()).update([str(named)] if named else [])
        expected = {trace for trace, named in users.items() if named == {"ann"}}
        assert {row.trace_id for row in index.queries.export(ANN, TraceFilter())} == expected
