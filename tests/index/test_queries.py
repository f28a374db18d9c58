from dataclasses import replace

import pytest
from tests.index.spans import (
    HOUR_US,
    T0_US,
    annotations_record,
    deletion_record,
    made,
    span_hex,
    spans_record,
    trace_hex,
)

from roost.errors import BadRequest, NotAllowed, NotFound
from roost.index.filters import (
    AnnotationFilter,
    Dimension,
    Grain,
    Measure,
    Sort,
    SortBy,
    TraceFilter,
    UsageBy,
    UsageQuery,
)
from roost.index.home import Index
from roost.index.rows import Count, FacetValue, UsagePoint
from roost.index.sessions import SessionFilter
from roost.index.viewer import EVERYTHING, OwnTraces
from roost.log.base import Position
from roost.log.records import Annotation, Deletion

ANN, BOB = OwnTraces("ann"), OwnTraces("bob")
DAY = UsageQuery(T0_US - HOUR_US, T0_US + HOUR_US)


def ids(index: Index, wanted: TraceFilter) -> list[str]:
    return sorted(row.trace_id for row in index.queries.traces(EVERYTHING, wanted).rows)


def test_a_cursor_belongs_to_its_query(index: Index) -> None:
    index.apply([spans_record(1, *(made(at, at * 10, user="ann") for at in range(1, 6)))])
    after = index.queries.traces(ANN, TraceFilter(), limit=2).next
    assert after is not None
    assert len(index.queries.traces(ANN, TraceFilter(), after=after).rows) == 3
    for viewer, wanted, sort in (
        (EVERYTHING, TraceFilter(), Sort()),
        (BOB, TraceFilter(), Sort()),
        (ANN, TraceFilter(name="answer"), Sort()),
        (ANN, TraceFilter(), Sort(SortBy.NAME)),
    ):
        with pytest.raises(BadRequest):
            index.queries.traces(viewer, wanted, sort, after=after)


@pytest.mark.parametrize(
    "cursor", ["", "x", "%%%", "bm90IGpzb24", "WyJhIiwxLDk5OTk5OTk5OTk5OTk5OTk5OTk5XQ"]
)
def test_what_is_no_cursor_is_refused(index: Index, cursor: str) -> None:
    with pytest.raises(BadRequest):
        index.queries.traces(EVERYTHING, TraceFilter(), after=cursor)


def test_a_page_goes_on_while_traces_arrive(index: Index) -> None:
    index.apply([spans_record(1, *(made(at, at * 10, start=at) for at in range(1, 6)))])
    page = index.queries.traces(EVERYTHING, TraceFilter(), limit=2)
    index.apply([spans_record(2, made(9, 90, start=99))])
    rest = index.queries.traces(EVERYTHING, TraceFilter(), after=page.next)
    assert [row.trace_id for row in rest.rows] == [trace_hex(at) for at in (3, 2, 1)]


def test_a_count_is_bounded(index: Index) -> None:
    index.apply([spans_record(1, *(made(at, at, name="n") for at in range(1, 1_003)))])
    assert index.queries.count(EVERYTHING, TraceFilter()) == Count(1_000, more=True)
    assert index.queries.count(EVERYTHING, TraceFilter(name="n")) == Count(1_000, more=True)
    assert index.queries.count(EVERYTHING, TraceFilter(since_us=T0_US)) == Count(1_000, more=True)
    assert index.queries.count(EVERYTHING, TraceFilter(until_us=T0_US)) == Count(0, more=False)


def test_facets_name_every_value_of_a_trace(index: Index) -> None:
    call = {"kind": "LLM", "provider": "openai"}
    index.apply(
        [
            spans_record(
                1,
                made(1, 10, model="gpt-4o", user="ann", **call),
                made(1, 11, model="gpt-4o-mini", user="bob", **call),
                made(2, 20, model="gpt-4o", user="ann", **call),
                made(3, 30, name="other"),
            )
        ]
    )
    found = index.queries.facets(EVERYTHING, TraceFilter())
    assert (found.counted, found.whole) == (3, True)
    assert found.values[Dimension.MODEL] == [FacetValue("gpt-4o", 2), FacetValue("gpt-4o-mini", 1)]
    assert found.values[Dimension.USER] == [FacetValue("ann", 2), FacetValue("bob", 1)]
    assert found.values[Dimension.NAME][0] == FacetValue("answer", 2)
    assert found.values[Dimension.SPAN_KIND] == [FacetValue("LLM", 2), FacetValue("UNKNOWN", 1)]
    limited = index.queries.facets(EVERYTHING, TraceFilter(), (Dimension.MODEL,), limit=1)
    assert limited.values == {Dimension.MODEL: [FacetValue("gpt-4o", 2)]}


def test_a_trace_is_found_by_any_of_its_models(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, model="a"), made(1, 11, model="b"), made(2, 20))])
    assert ids(index, TraceFilter(model="a")) == ids(index, TraceFilter(model="b"))
    assert ids(index, TraceFilter(model="c")) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("penguin", True, id="a word"),
        pytest.param("PENGUIN", True, id="another case"),
        pytest.param("peng*", True, id="a beginning"),
        pytest.param("peng", False, id="a part is no word"),
        pytest.param("creme", True, id="without accents"),
        pytest.param("penguin creme", True, id="words of two spans"),
        pytest.param("penguin zebra", False, id="one word is missing"),
        pytest.param('"penguin', True, id="quotes mean nothing"),
        pytest.param("penguin OR zebra", False, id="nor do operators"),
        pytest.param("!!", False, id="no word at all"),
        pytest.param("zoo", True, id="the name"),
    ],
)
def test_text_is_found_anywhere_in_a_trace(index: Index, text: str, found: bool) -> None:
    index.apply(
        [spans_record(1, made(1, 10, name="zoo", input="Where is the penguin?"))],
    )
    index.apply([spans_record(2, made(1, 11, output="A crème"), made(2, 20, input="other"))])
    assert ids(index, TraceFilter(text=text)) == ([trace_hex(1)] if found else [])


def test_a_search_has_bounds(index: Index) -> None:
    for text in ("a*", " ".join(f"word{at}" for at in range(13)), "x" * 201):
        with pytest.raises(BadRequest):
            index.queries.traces(EVERYTHING, TraceFilter(text=text))


def test_traces_are_found_by_what_was_said_of_them_or_their_spans(index: Index) -> None:
    index.apply(
        [
            annotations_record(1, Annotation("span", span_hex(20), "quality", score=0.9)),
            spans_record(2, made(1, 10), made(2, 20), made(3, 30)),
            annotations_record(3, Annotation("trace", trace_hex(1), "quality", label="bad")),
        ]
    )
    for wanted, expected in (
        (AnnotationFilter("quality"), [1, 2]),
        (AnnotationFilter("quality", label="bad"), [1]),
        (AnnotationFilter("quality", min_score=0.5), [2]),
        (AnnotationFilter("quality", max_score=0.5), []),
        (AnnotationFilter("other"), []),
    ):
        assert ids(index, TraceFilter(annotation=wanted)) == [trace_hex(at) for at in expected]


def test_an_annotation_is_replaced_and_taken_back(index: Index) -> None:
    first = Annotation("trace", trace_hex(1), "quality", label="bad")
    second = Annotation("trace", trace_hex(1), "quality", label="good")
    index.apply([spans_record(1, made(1, 10)), annotations_record(2, first, second)])
    assert [one.label for one in index.queries.annotations(EVERYTHING, trace_hex(1))] == ["good"]
    removed = Annotation("trace", trace_hex(1), "quality", removed=True)
    index.apply([annotations_record(3, removed)])
    assert index.queries.annotations(EVERYTHING, trace_hex(1)) == []
    assert index.queries.trace(EVERYTHING, trace_hex(1)).changed_at == 3


def test_a_tree_is_columns(index: Index) -> None:
    index.apply(
        [
            spans_record(
                1,
                made(1, 12, parent=10, name="call", start=20, kind="LLM", model="m", prompt=3),
                made(1, 11, parent=99, name="lost", start=30, status=2),
                made(1, 10, name="root", latency=500),
            )
        ]
    )
    tree = index.queries.skeleton(EVERYTHING, trace_hex(1))
    assert [tree.names[at] for at in tree.name] == ["root", "call", "lost"]
    assert list(tree.span_id) == [span_hex(at) for at in (10, 12, 11)]
    assert list(tree.parent) == [-1, 0, -1]
    assert list(tree.start_us) == [0, 20, 30]
    assert tree.origin_us == T0_US
    assert list(tree.duration_us) == [500, 1_000, 1_000]
    assert list(tree.status) == [0, 0, 2]
    assert list(tree.tokens) == [None, 3, None]
    assert [tree.kinds[at] for at in tree.kind] == ["UNKNOWN", "LLM", "UNKNOWN"]
    assert [tree.models[at] if at >= 0 else None for at in tree.model] == [None, "m", None]
    assert not tree.truncated
    assert index.queries.skeleton(EVERYTHING, trace_hex(1), limit=2).truncated


def test_a_spans_body_stands_at_a_place_in_the_log(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10)), spans_record(2, made(1, 11), made(1, 12))])
    place = index.queries.place(EVERYTHING, trace_hex(1), span_hex(12))
    assert (place.position, place.ordinal) == (2, 1)
    for span_id in (span_hex(99), "", "xyz", "ff" * 9):
        with pytest.raises(NotFound):
            index.queries.place(EVERYTHING, trace_hex(1), span_id)


def test_what_is_not_yours_is_not_there(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, user="ann", session="s"), made(2, 20))])
    queries = index.queries
    for viewer, trace in ((BOB, 1), (OwnTraces("nobody"), 1), (ANN, 2), (EVERYTHING, 3)):
        with pytest.raises(NotFound):
            queries.trace(viewer, trace_hex(trace))
        with pytest.raises(NotFound):
            queries.skeleton(viewer, trace_hex(trace))
        with pytest.raises(NotFound):
            queries.place(viewer, trace_hex(trace), span_hex(10))
        with pytest.raises(NotFound):
            queries.places(viewer, trace_hex(trace))
        with pytest.raises(NotFound):
            queries.annotations(viewer, trace_hex(trace))
    with pytest.raises(NotFound):
        queries.session(BOB, "s")
    with pytest.raises(NotFound):
        queries.session_annotations(BOB, "s")
    assert queries.session(ANN, "s").traces == 1


def test_a_viewer_without_a_user_id_sees_nothing() -> None:
    with pytest.raises(NotAllowed):
        OwnTraces("")


def test_sessions_come_latest_first_and_page_by_page(index: Index) -> None:
    spans = [made(at, at * 10, session=f"s{at}", start=at % 2, user="ann") for at in range(1, 8)]
    index.apply([spans_record(1, *spans)])
    for viewer in (EVERYTHING, ANN):
        met: list[str] = []
        after = None
        while True:
            page = index.queries.sessions(viewer, SessionFilter(), after=after, limit=2)
            met += [row.session for row in page.rows]
            if (after := page.next) is None:
                break
        assert sorted(met) == [f"s{at}" for at in range(1, 8)]
        assert {one[1:] for one in met[:4]} == {"1", "3", "5", "7"}


def test_sessions_are_found_by_user_project_and_time(index: Index) -> None:
    spans = (
        made(1, 10, session="s1", user="ann"),
        made(2, 20, session="s1", user="bob", start=5_000),
        made(3, 30, session="s2", user="bob", project="other", start=HOUR_US),
    )
    index.apply([spans_record(1, *spans)])
    for wanted, expected in (
        (SessionFilter(user="ann"), ["s1"]),
        (SessionFilter(user="bob"), ["s2", "s1"]),
        (SessionFilter(project="other"), ["s2"]),
        (SessionFilter(project="unheard of"), []),
        (SessionFilter(until_us=T0_US + 10_000), ["s1"]),
        (SessionFilter(since_us=T0_US + 10_000), ["s2"]),
    ):
        found = index.queries.sessions(EVERYTHING, wanted).rows
        assert [row.session for row in found] == expected
    row = index.queries.session(EVERYTHING, "s1")
    assert (row.user, row.several_users, row.traces) == ("ann", True, 2)


def test_usage_is_grouped_and_its_rest_is_one_group(index: Index) -> None:
    call = {"kind": "LLM", "provider": "openai", "prompt": 1_000}
    index.apply(
        [
            spans_record(
                1,
                made(1, 10, model="gpt-4o", latency=2_000, user="ann", **call),
                made(1, 11, model="gpt-4o", latency=2_000, **call),
                made(2, 20, model="gpt-4o-mini", status=2, user="bob", **call),
                made(3, 30, project="other"),
            )
        ]
    )

    def grouped(by: UsageBy, groups: int = 20) -> dict[str | None, UsagePoint]:
        query = UsageQuery(DAY.since_us, DAY.until_us, by=by, max_groups=groups)
        return {one.key: one.total for one in index.queries.usage(EVERYTHING, query).groups}

    whole = grouped(UsageBy.NONE)[""]
    assert (whole.spans, whole.traces, whole.failed, whole.errors) == (4, 3, 1, 1)
    assert whole.prompt_tokens == 3_000
    models = grouped(UsageBy.MODEL)
    assert (models["gpt-4o"].spans, models["gpt-4o"].traces) == (2, None)
    assert models["gpt-4o"].p50_us == pytest.approx(2_000, rel=0.025)
    assert models["gpt-4o"].cost_usd == pytest.approx(2 * 0.0025)
    assert list(grouped(UsageBy.USER)) == ["ann", "bob", ""]
    assert grouped(UsageBy.USER)["ann"].spans == 2
    assert grouped(UsageBy.PROJECT)["other"].traces == 1
    limited = grouped(UsageBy.USER, groups=1)
    assert list(limited) == ["ann", None]
    rest = limited[None]
    assert (rest.spans, rest.traces, rest.prompt_tokens) == (2, 2, 1_000)


def test_hours_add_up_to_their_day(index: Index) -> None:
    index.apply([spans_record(1, *(made(at, at, start=at * HOUR_US // 2) for at in range(1, 9)))])
    hours = UsageQuery(T0_US, T0_US + 5 * HOUR_US, Grain.HOUR)
    (by_hour,) = index.queries.usage(EVERYTHING, hours).groups
    (by_day,) = index.queries.usage(EVERYTHING, UsageQuery(T0_US, T0_US + 5 * HOUR_US)).groups
    assert len(by_hour.points) > 1
    assert sum(one.traces or 0 for one in by_hour.points) == by_day.total.traces == 8


def test_the_top_users_are_ranked_by_what_is_asked(index: Index) -> None:
    index.apply(
        [
            spans_record(
                1,
                made(1, 10, user="ann", kind="LLM", prompt=50),
                made(2, 20, user="bob", latency=90_000),
                made(3, 30, user="bob", status=2, latency=90_000),
            )
        ]
    )
    query = UsageQuery(DAY.since_us, DAY.until_us, by=UsageBy.USER)

    def first(measure: Measure) -> str | None:
        return index.queries.tops(EVERYTHING, query, measure)[0].key

    assert [first(one) for one in (Measure.TOKENS, Measure.LATENCY, Measure.ERRORS)] == [
        "ann",
        "bob",
        "bob",
    ]


def test_the_usage_of_a_trace_goes_to_its_first_user_however_late(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, kind="LLM", model="m", prompt=5))])
    index.apply([spans_record(2, made(1, 11, user="ann"))])
    (group,) = index.queries.usage(ANN, DAY).groups
    assert (group.total.spans, group.total.prompt_tokens, group.total.traces) == (2, 5, 1)
    index.apply([spans_record(3, made(1, 12, user="bob"))])
    assert index.queries.usage(ANN, DAY).groups == []
    query = UsageQuery(DAY.since_us, DAY.until_us, user="ann")
    assert index.queries.usage(EVERYTHING, query).groups[0].total.spans == 3


def test_who_comes_back_is_told_what_was_missed(index: Index) -> None:
    index.apply(
        [spans_record(1, made(1, 10, user="ann")), spans_record(2, made(2, 20, user="ann"))]
    )
    index.apply([spans_record(3, made(1, 11, user="bob"))])
    index.apply([deletion_record(4, Deletion(traces=(trace_hex(2),)))])
    index.apply([spans_record(5, made(3, 30))])
    mine = index.queries.changed_since(ANN, Position(2))
    assert (mine.rows, sorted(mine.removed)) == ([], [trace_hex(1), trace_hex(2)])
    everything = index.queries.changed_since(EVERYTHING, Position(2))
    assert [row.trace_id for row in everything.rows] == [trace_hex(1), trace_hex(3)]
    assert list(everything.removed) == [trace_hex(2)]
    assert (everything.upto, everything.more, everything.gap) == (5, False, False)
    nobody = index.queries.changed_since(BOB, Position(0))
    assert (nobody.rows, nobody.removed) == ([], [])


def test_changes_come_by_whole_positions(index: Index) -> None:
    index.apply([spans_record(at, made(at, at * 10), made(at + 50, at)) for at in range(1, 6)])
    met: list[str] = []
    after, more = Position(0), True
    while more:
        found = index.queries.changed_since(EVERYTHING, after, limit=3)
        assert found.upto > after
        met += [row.trace_id for row in found.rows]
        after, more = found.upto, found.more
    assert len(met) == len(set(met)) == 10


def test_an_export_meets_every_trace_the_oldest_first(index: Index) -> None:
    index.apply([spans_record(1, *(made(at, at, start=at % 7) for at in range(1, 1_203)))])
    starts = [row.start_us for row in index.queries.export(EVERYTHING, TraceFilter())]
    assert len(starts) == 1_202
    assert starts == sorted(starts)


def test_bars_need_bounds(index: Index) -> None:
    whole = TraceFilter(since_us=T0_US, until_us=T0_US + HOUR_US)
    for wanted, width in ((TraceFilter(), HOUR_US), (whole, 1), (whole, 0)):
        with pytest.raises(BadRequest):
            index.queries.histogram(EVERYTHING, wanted, width)


@pytest.mark.parametrize("wanted", [TraceFilter(), TraceFilter(name="answer")])
def test_bars_are_whole_and_count_failures(index: Index, wanted: TraceFilter) -> None:
    index.apply([spans_record(1, made(1, 10), made(2, 20, start=HOUR_US, status=2))])
    begins = T0_US // HOUR_US * HOUR_US
    bars = index.queries.histogram(
        EVERYTHING, replace(wanted, since_us=T0_US + 1, until_us=T0_US + HOUR_US + 1), HOUR_US
    )
    assert [(one.start_us, one.traces, one.failed) for one in bars] == [
        (begins, 1, 0),
        (begins + HOUR_US, 1, 1),
    ]


def test_an_annotation_does_not_wait_for_ever(index: Index) -> None:
    waiting = Annotation("span", span_hex(10), "quality")
    index.apply([annotations_record(1, waiting), annotations_record(90_000, waiting)])
    index.apply([annotations_record(190_000), spans_record(190_001, made(1, 10))])
    assert index.queries.annotations(EVERYTHING, trace_hex(1)) == []
