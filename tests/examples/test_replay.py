"""The recorded traces, and their replay."""

import datetime
import gzip
import re
from collections import Counter

import pytest
from examples.demo.replay import TRACES, NotTakenError, as_of, recorded, send, spans_of
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.examples.collector import BASE, KEY, Collector, text_of

TENANTS = ("acme", "globex")
PEOPLE = {"acme": {"ann", "ada", "alan"}, "globex": {"bob", "bea"}}
NOW_NS = 1_900_000_000_000_000_000
DAY = datetime.date(2030, 3, 17)


def spans(tenant: str) -> list[Span]:
    return [span for batch in recorded(tenant) for span in spans_of(batch)]


def replayed(tenant: str, day: datetime.date = DAY) -> list[Span]:
    return [span for batch in as_of(recorded(tenant), NOW_NS, day) for span in spans_of(batch)]


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_recording_has_turns_tools_errors_and_a_model(tenant: str) -> None:
    recording = spans(tenant)
    kinds = Counter(text_of(span, "openinference.span.kind") for span in recording)
    assert kinds["AGENT"] == len({span.trace_id for span in recording}) >= 20
    assert {"LLM", "TOOL", "RETRIEVER", "CHAIN"} < set(kinds)
    assert {text_of(span, "user.id") for span in recording} == PEOPLE[tenant]
    assert len({text_of(span, "session.id") for span in recording}) == 7
    assert any(span.status.code == Status.STATUS_CODE_ERROR for span in recording)


@pytest.mark.parametrize("tenant", TENANTS)
def test_every_model_call_has_the_tokens_that_were_counted(tenant: str) -> None:
    calls = [s for s in spans(tenant) if text_of(s, "openinference.span.kind") == "LLM"]
    for call in calls:
        counted = {one.key: one.value.int_value for one in call.attributes}
        total = counted["llm.token_count.total"]
        parts = counted["llm.token_count.prompt"] + counted["llm.token_count.completion"]
        assert total == parts > 0


def test_the_tenants_share_no_trace_and_no_session() -> None:
    acme, globex = spans("acme"), spans("globex")
    assert not {span.trace_id for span in acme} & {span.trace_id for span in globex}
    sessions = [{text_of(span, "session.id") for span in recording} for recording in (acme, globex)]
    assert not sessions[0] & sessions[1]


@pytest.mark.parametrize("tenant", TENANTS)
def test_a_recording_names_no_folder_of_the_machine_it_was_made_on(tenant: str) -> None:
    text = gzip.decompress((TRACES / f"{tenant}.jsonl.gz").read_bytes()).decode()
    assert not re.search(r'File \\+"/|/site-packages/', text)


def test_a_replay_keeps_what_was_recorded_and_ends_now() -> None:
    before, after = spans("acme"), replayed("acme")
    assert max(span.end_time_unix_nano for span in after) == NOW_NS
    assert [_kept(span) for span in after] == [_kept(span) for span in before]
    ids = {span.span_id for span in after}
    assert all(not span.parent_span_id or span.parent_span_id in ids for span in after)


def _kept(span: Span) -> tuple[object, ...]:
    length = span.end_time_unix_nano - span.start_time_unix_nano
    since_start = [event.time_unix_nano - span.start_time_unix_nano for event in span.events]
    texts = sorted(str(one) for one in span.attributes if one.key != "session.id")
    return span.name, length, since_start, texts, span.status.code, bool(span.parent_span_id)


def test_a_second_replay_on_one_day_is_the_same_traces_and_the_next_day_is_new_ones() -> None:
    first, again = replayed("acme"), replayed("acme")
    tomorrow = replayed("acme", DAY + datetime.timedelta(days=1))
    assert [span.span_id for span in again] == [span.span_id for span in first]
    for name in ("trace_id", "span_id"):
        assert not {getattr(span, name) for span in tomorrow} & {getattr(s, name) for s in first}
    sessions = [{text_of(span, "session.id") for span in replay} for replay in (first, tomorrow)]
    assert not sessions[0] & sessions[1]


def test_it_is_sent_as_otlp(collector: Collector, collector_url: str) -> None:
    batches = as_of(recorded("globex"), NOW_NS, DAY)
    sent = send(batches, f"{collector_url}{BASE}/", KEY)
    assert sent == len(collector.spans) == len(spans("globex"))
    assert {call.target for call in collector.calls} == {f"{BASE}/v1/traces"}


def test_a_refused_key_is_told(collector_url: str) -> None:
    with pytest.raises(NotTakenError, match=r"401.*Sign in first"):
        send(recorded("acme"), f"{collector_url}{BASE}", "rk_wrong")
