"""What spans become, in the order of the log. Times are in µs from T0_US."""

import pytest
from tests.index.contents import contents_of
from tests.index.spans import T0_US, annotations_record, logged, made, spans_record, trace_hex

from roost.index.filters import Status, TraceFilter
from roost.index.home import Index
from roost.index.rows import Change, TraceChange, TraceRow
from roost.index.viewer import EVERYTHING, OwnTraces
from roost.log.base import Kind, Position, Record
from roost.log.records import Annotation


def only(index: Index) -> TraceRow:
    (row,) = index.queries.traces(EVERYTHING, TraceFilter()).rows
    return row


def test_a_trace_reaches_from_its_first_start_to_its_last_end(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, start=500, latency=100), made(1, 11, latency=900))])
    assert (only(index).start_us, only(index).latency_us, only(index).spans) == (T0_US, 900, 2)


def test_a_trace_belongs_to_the_project_of_its_first_span(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, project="p1"), made(1, 11, project="p2"))])
    assert only(index).project == "p1"
    assert [one.name for one in index.queries.projects(EVERYTHING)] == ["p1"]


def test_the_first_copy_of_a_span_counts(index: Index) -> None:
    index.apply(
        [spans_record(1, made(1, 10, name="first")), spans_record(2, made(1, 10, name="x"))]
    )
    assert (only(index).name, only(index).spans) == ("first", 1)


def test_a_repeat_stretches_its_trace_as_in_phoenix(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10)), spans_record(2, made(1, 10, latency=5_000))])
    assert (only(index).spans, only(index).latency_us) == (1, 5_000)


def test_a_repeat_under_another_trace_is_dropped(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10)), spans_record(2, made(2, 10))])
    assert only(index).trace_id == trace_hex(1)


def test_the_trace_of_a_dropped_span_has_its_project_already(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, project="p1"), made(2, 10, project="p1"))])
    index.apply([spans_record(2, made(2, 11, project="p2"))])
    rows = index.queries.traces(EVERYTHING, TraceFilter()).rows
    assert {row.trace_id: row.project for row in rows} == {trace_hex(1): "p1", trace_hex(2): "p1"}


def test_a_span_without_a_parent_stands_for_the_trace(index: Index) -> None:
    index.apply([spans_record(1, made(1, 11, parent=10, name="step", start=-50))])
    assert (only(index).name, only(index).has_root) == ("step", False)
    index.apply([spans_record(2, made(1, 10, name="root", status=2, input="hi", output="bye"))])
    row = only(index)
    assert (row.name, row.has_root, row.status) == ("root", True, Status.ERROR)
    assert (row.input, row.output) == ("hi", "bye")


def test_tokens_and_costs_of_calls_are_summed(index: Index) -> None:
    call = {"kind": "LLM", "provider": "openai", "prompt": 1_000, "completion": 100}
    index.apply(
        [
            spans_record(
                1,
                made(1, 10, kind="AGENT", prompt=7),
                made(1, 11, model="gpt-4o", **call),
                made(1, 12, model="gpt-4o", **call),
                made(1, 13, model="unheard-of", **call),
            )
        ]
    )
    row = only(index)
    assert (row.prompt_tokens, row.completion_tokens, row.tokens) == (3_000, 300, 3_300)
    assert row.cost_usd == pytest.approx(2 * (1_000 * 2.5e-6 + 100 * 10e-6))
    assert (row.unpriced, row.model, row.provider) == (1, "gpt-4o", "openai")


def test_a_trace_without_a_priced_call_has_no_cost(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, kind="LLM", model="unheard-of", prompt=5))])
    assert only(index).cost_usd is None


def test_the_first_session_of_a_trace_stays(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, session="s1"), made(1, 11, session="s2"))])
    assert only(index).session == "s1"


def test_a_record_is_applied_once(index: Index) -> None:
    record = spans_record(1, made(1, 10))
    assert index.apply([record]).spans == 1
    assert index.apply([record]).changes == ()
    assert index.cursor == 1


def test_a_record_that_cannot_be_read_is_passed_over(
    index: Index, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [Record(Position(at), 1.0, kind, b"{\xff") for at, kind in enumerate(Kind, start=1)]
    index.apply([*broken, spans_record(9, made(1, 10))])
    assert index.cursor == 9
    assert only(index).spans == 1
    assert "record 1 cannot be read" in caplog.text


def test_an_erased_record_holds_nothing(index: Index) -> None:
    index.apply([Record(Position(at), 1.0, kind, b"") for at, kind in enumerate(Kind, start=1)])
    assert index.cursor == 3


def test_it_is_said_what_has_changed_for_whom(index: Index) -> None:
    first = index.apply([spans_record(1, made(1, 10, user="ann"))])
    upsert = TraceChange(trace_hex(1), "default", Change.UPSERT, None, "ann")
    assert first.changes == (upsert,)
    second = index.apply([spans_record(2, made(1, 11, user="bob"))])
    assert second.changes == (TraceChange(trace_hex(1), "default", Change.UPSERT, "ann", None),)


def test_two_changes_in_one_step_are_one(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10, user="ann"))])
    mark = annotations_record(2, Annotation("trace", trace_hex(1), "good"))
    applied = index.apply([mark, spans_record(3, made(1, 11, user="bob"))])
    assert [(one.own_before, one.own_now) for one in applied.changes] == [("ann", None)]


def test_an_empty_user_id_is_nobodys(index: Index) -> None:
    """Who it belongs to is not known, so it is not theirs alone."""
    index.apply([spans_record(1, made(1, 10, user="ann"), made(1, 11, user=""))])
    assert index.queries.traces(OwnTraces("ann"), TraceFilter()).rows == []


def test_spans_of_the_cell_have_no_place_in_the_log(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10))])
    assert index.absorb(logged(made(1, 10, name="late"), made(1, 11))).spans == 1
    places = index.queries.places(EVERYTHING, trace_hex(1))
    assert [one.position for one in places] == [1, None]
    assert index.cursor == 1


def test_a_failed_step_leaves_nothing_behind(index: Index) -> None:
    index.apply([spans_record(1, made(1, 10))])
    before = contents_of(index)
    one = logged(made(2, 20, name="new word", project="new project"))[0]
    with pytest.raises(AttributeError):
        index.absorb([one, None])  # type: ignore[list-item]
    assert contents_of(index) == before
    index.absorb([one])
    assert index.queries.count(EVERYTHING, TraceFilter(name="new word")).count == 1
