"""What is read from the database file of a cell."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from tests.cells.phoenix_file import SERVICE, TIME, PhoenixFile

from roost.cells.ledger import SqliteLedger
from roost.cells.ledger_annotations import SqliteAnnotations
from roost.cells.ledger_attributes import pairs_of
from roost.cells.ledger_file import micros
from roost.cells.ledger_identity import SqliteIdentity, identity_from
from roost.cells.ledger_spans import SpanKey, SqliteSpans
from roost.errors import Unavailable

T1, T2 = "a1" * 16, "a2" * 16
S1, S2, S3 = "b1" * 8, "b2" * 8, "b3" * 8


@pytest.fixture
def file(tmp_path: Path) -> PhoenixFile:
    return PhoenixFile(tmp_path / "phoenix.db").make()


def plain(pairs: list[KeyValue]) -> Mapping[str, object]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in pairs}


NESTED = {
    "openinference": {"span": {"kind": "LLM"}},
    "llm": {
        "model_name": "gpt-4o",
        "token_count": {"prompt": 7, "prompt_details": {"cache_read": 2}},
        "input_messages": [{"message": {"role": "user", "content": "hi"}}],
        "invocation_parameters": '{"temperature": 0}',
    },
    "metadata": {"team": "blue"},
    "tool": {"parameters": {"city": "Rome"}},
    "flag": True,
    "share": 0.5,
    "nothing": None,
    "huge": 2**70,
}


def test_nested_attributes_become_flat_ones() -> None:
    assert plain(pairs_of(NESTED)) == {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o",
        "llm.token_count.prompt": 7,
        "llm.token_count.prompt_details.cache_read": 2,
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "hi",
        "llm.invocation_parameters": '{"temperature": 0}',
        "metadata": '{"team":"blue"}',
        "tool.parameters": '{"city":"Rome"}',
        "flag": True,
        "share": 0.5,
        "huge": float(2**70),
    }


def test_a_list_of_plain_values_stays_one() -> None:
    (pair,) = pairs_of({"tag": {"tags": ["a", 1]}})
    assert pair.key == "tag.tags"
    assert [one.WhichOneof("value") for one in pair.value.array_value.values] == [
        "string_value",
        "int_value",
    ]


def test_half_a_surrogate_pair_is_no_reason_to_fail() -> None:
    assert plain(pairs_of({"a\ud800": "b\ud800"})) == {"a?": "b?"}


def test_what_is_nested_too_deeply_stays_json() -> None:
    deep: dict[str, object] = {"end": 1}
    for _ in range(100):
        deep = {"in": deep}
    (pair,) = pairs_of(deep)
    assert pair.value.string_value.endswith('{"end":1}' + "}" * pair.value.string_value.count("in"))


async def test_spans_are_listed_by_row_and_read_whole(file: PhoenixFile) -> None:
    event = {
        "name": "exception",
        "timestamp": "2026-11-26T10:00:00.500000Z",
        "attributes": {"n": 1},
    }
    file.span(T1, S1, {"user": {"id": "ann"}}, project="p", code="OK")
    second = file.span(T1, S2, parent=S1, code="ERROR", message="no", events=[event])
    spans = SqliteSpans(file.path)
    assert await spans.keys(0, 10) == [SpanKey(1, S1, T1), SpanKey(2, S2, T1)]
    assert await spans.keys(1, 10) == [SpanKey(second, S2, T1)]
    root, child = await spans.spans([1, 2])
    assert (root.project, child.project) == ("p", "p")
    assert plain(list(root.span.attributes)) == {"user.id": "ann"}
    assert root.span.status.code == Status.STATUS_CODE_OK
    assert child.span.parent_span_id.hex() == S1
    assert (child.span.status.code, child.span.status.message) == (Status.STATUS_CODE_ERROR, "no")
    assert child.span.start_time_unix_nano == micros(TIME) * 1000
    assert child.span.end_time_unix_nano - child.span.start_time_unix_nano == 10**9
    (said,) = child.span.events
    assert said.name == "exception"
    assert said.time_unix_nano == micros("2026-11-26 10:00:00.5") * 1000
    assert [one.span.span_id.hex() for one in await spans.spans_by_id([S2, S3])] == [S2]


async def test_a_row_that_was_given_again_is_noticed(file: PhoenixFile) -> None:
    file.span(T1, S1)
    spans = SqliteSpans(file.path)
    assert await spans.is_at(SpanKey(1, S1, T1))
    file.run("DELETE FROM spans")
    assert not await spans.is_at(SpanKey(1, S1, T1))
    file.span(T1, S2)
    assert not await spans.is_at(SpanKey(1, S1, T1))


async def test_ids_that_are_not_opentelemetrys_are_passed_over(file: PhoenixFile) -> None:
    file.span("my-trace", "my-span")
    spans = SqliteSpans(file.path)
    (key,) = await spans.keys(0, 10)
    assert not key.is_plain
    assert await spans.spans([1]) == []


async def test_traces_are_found_with_their_projects(file: PhoenixFile) -> None:
    file.span(T1, S1, project="p")
    ids = [bytes.fromhex(one) for one in (T1, T2)]
    assert await SqliteLedger(file.path).projects_of(ids) == {ids[0]: "p"}


async def test_annotations_name_their_author(file: PhoenixFile) -> None:
    file.span(T1, S1)
    file.session("chat")
    ann, service = file.user("Ann (admin)", "a" * 64), 1
    forged = {"roost.subject": "bob", "roost.subject_name": "Bob"}
    file.annotate("span", S1, "good", user=ann, metadata=forged)
    file.annotate("trace", T1, "long")
    file.annotate("session", "chat", "fine", user=service, metadata=forged)
    annotations = SqliteAnnotations(file.path, SERVICE)
    found = [
        one for of in ("span", "trace", "session") for one in await annotations.slice(of, 0, 9)
    ]
    said = [
        (a.of, a.target, a.label, a.subject, a.subject_name) for a in (f.annotation for f in found)
    ]
    assert said == [
        ("span", S1, "good", "", "Ann (admin)"),
        ("trace", T1, "long", "", ""),
        ("session", "chat", "fine", "bob", "Bob"),
    ]
    assert found[0].at_us == micros("2026-11-26 10:00:05")


async def test_what_is_new_or_was_changed_is_found(file: PhoenixFile) -> None:
    file.span(T1, S1)
    for number in range(4):
        file.annotate("span", S1, "x", name=str(number), at=f"2026-11-26 10:00:0{number}")
    annotations = SqliteAnnotations(file.path, SERVICE)
    assert await annotations.newest("trace") == (0, "")
    read = await annotations.newest("span")
    assert read == (4, "2026-11-26 10:00:03")
    file.run(
        "UPDATE span_annotations SET label = 'y', updated_at = '2026-11-26 10:01:00' WHERE id=1"
    )
    file.annotate("span", S1, "x", name="late", at="2026-11-26 09:00:00")
    found = await annotations.changed("span", 0, read, 9)
    assert [one.row for one in found] == [1, 4, 5]
    assert [one.row for one in await annotations.changed("span", 1, read, 1)] == [4]


async def test_what_is_missing_on_a_target_that_is_there(file: PhoenixFile) -> None:
    file.span(T1, S1)
    file.span(T1, S2)
    file.annotate("span", S1, "x")
    present = await SqliteAnnotations(file.path, SERVICE).present("span", [S1, S2, S3])
    assert not present.lacks(S1, "quality", "")
    assert present.lacks(S1, "quality", "other")
    assert present.lacks(S2, "quality", "")
    assert not present.lacks(S3, "quality", "")


async def test_the_same_database_is_known_again(file: PhoenixFile) -> None:
    identity = SqliteIdentity(file.path, SERVICE)
    kept = identity_from((await identity.look()).encoded())
    file.span(T1, S1)
    assert kept.is_still(await identity.look())


async def test_another_database_in_its_place_is_another(file: PhoenixFile, tmp_path: Path) -> None:
    """Also where it is a copy of the same template, with the same first project."""
    identity = SqliteIdentity(file.path, SERVICE)
    kept = await identity.look()
    copy = PhoenixFile(tmp_path / "copy.db").make()
    copy.path.replace(file.path)
    assert not kept.is_still(await identity.look())
    file.run("UPDATE users SET created_at = '2026-11-27 10:00:00'")
    now = await identity.look()
    assert not kept.is_still(type(kept)(now.first_project, now.account, kept.file))


async def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await SqliteSpans(tmp_path / "none.db").keys(0, 1)
    assert not await SqliteLedger(tmp_path / "none.db").is_readable()
