"""Roost's index and Phoenix show the same of the same spans.

Random traces, in random order, cut into batches at random, through a whole Roost into a real
Phoenix; then what the index holds is compared with what Phoenix answers.
"""

import json
import random
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.cells.stock_phoenix import until
from tests.ingest.spans import PROTOBUF, group, request
from tests.installation import Installation, installation

from roost.index.facts import KINDS as NAMES
from roost.index.generations import current

TRACES = 40
SETTLED_S = 120.0
BASE_US = 1_790_000_000_000_000
KINDS = ("LLM", "CHAIN", "TOOL", "AGENT", "RETRIEVER", "no such kind", None)
TOKENS = (None, 0, 1, 7, 1_000, "12", "many", 3.0)
STATUSES = (Status.STATUS_CODE_UNSET, Status.STATUS_CODE_OK, Status.STATUS_CODE_ERROR)
_TRACE = (
    "numSpans errorCount latencyMs project { name } session { sessionId }"
    " rootSpan { name statusCode spanKind }"
)
_SESSION = "numTraces startTime endTime project { name } tokenUsage { prompt completion }"
_DELETE = (
    "mutation Delete($ids: [ID!]!)"
    " { deleteSpanNotes(input: { annotationIds: $ids }) { __typename } }"
)
_PROJECTS = "{ projects { edges { node { name traceCount recordCount tokenCountTotal } } } }"


@dataclass(frozen=True)
class Agreed:
    """What both know of a trace; the latency in microseconds."""

    project: str
    session: str | None
    spans: int
    errors: int
    latency_us: int
    shown: tuple[str, str, str]
    """Name, status and kind of the span that stands for the trace."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("agreement")) as one:
        one.tenant("acme")
        yield one


@pytest.fixture(scope="module")
def seed() -> int:
    return random.SystemRandom().randrange(2**32)


@pytest.fixture(scope="module")
def sent(own: Installation, seed: int) -> list[str]:
    """Ids of the traces; everything is in Phoenix and in the index."""
    chance = random.Random(seed)  # noqa: S311
    spans = [one for number in range(TRACES) for one in a_trace(chance, number)]
    spans += [again(chance, chance.choice(spans)[1]) for _ in range(TRACES // 2)]
    chance.shuffle(spans)
    key = own.key("acme", "ingest")
    with own.client(key) as client:
        for batch in slices(chance, spans):
            groups = [group([span], project) for project, span in batch]
            body = request(*groups).SerializeToString()
            answer = client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
            assert answer.status_code == 200, answer.text
    until(lambda: is_settled(own), "Phoenix had everything", SETTLED_S)
    return sorted({span.trace_id.hex() for _, span in spans})


def a_trace(chance: random.Random, number: int) -> list[tuple[str, Span]]:
    """A tree of spans, sometimes without its root. All name one project and one session: where they
    do not, the first one counts, and Phoenix does not keep the order in which requests arrive."""
    count = chance.randint(1, 12)
    parents = [chance.randrange(at) if at else None for at in range(count)]
    session = chance.choice((None, f"chat {chance.randint(0, 9)}", " ", 7))
    began: list[int] = []
    spans = []
    for at, above in enumerate(parents):
        before = BASE_US + number * 10**9 if above is None else began[above]
        began.append(before + chance.randint(0, 5_000_000))
        # In its totals of a project, Phoenix leaves out calls that wrap calls; Roost does not.
        kinds = KINDS[1:] if at in parents else KINDS
        attributes = {
            "openinference.span.kind": chance.choice(kinds),
            "llm.token_count.prompt": chance.choice(TOKENS),
            "llm.token_count.completion": chance.choice(TOKENS),
            "llm.model_name": chance.choice((None, "gpt-4o", "claude-3-5-sonnet")),
            "session.id": session if at == 0 else chance.choice((None, session)),
            "user.id": chance.choice((None, "ann", "bob")),
        }
        spans.append(
            Span(
                trace_id=(number + 1).to_bytes(16),
                span_id=id_of(number, at),
                parent_span_id=parent_of(number, above),
                name=f"span {number}.{at}",
                start_time_unix_nano=began[at] * 1000,
                end_time_unix_nano=(began[at] + chance.randint(0, 9_000_000)) * 1000,
                attributes=[pair(key, one) for key, one in attributes.items() if one is not None],
                status=Status(code=chance.choice(STATUSES)),
            )
        )
    return [(project_of(number), span) for span in spans]


def id_of(trace: int, at: int) -> bytes:
    return (trace << 8 | at + 1).to_bytes(8)


def parent_of(trace: int, above: int | None) -> bytes:
    """Of each seventh trace the root is never sent."""
    if above is not None:
        return id_of(trace, above)
    return b"" if trace % 7 else b"not sent"


def project_of(trace: int) -> str:
    return f"p{trace % 3}"


def again(chance: random.Random, span: Span) -> tuple[str, Span]:
    """The same span once more, as a client that retries sends it, or one that ended later."""
    copy = Span()
    copy.CopyFrom(span)
    copy.end_time_unix_nano += chance.choice((0, 20_000_000_000))
    return project_of(int.from_bytes(span.trace_id) - 1), copy


def pair(key: str, value: object) -> KeyValue:
    match value:
        case int():
            return KeyValue(key=key, value=AnyValue(int_value=value))
        case float():
            return KeyValue(key=key, value=AnyValue(double_value=value))
        case _:
            return KeyValue(key=key, value=AnyValue(string_value=str(value)))


def slices(
    chance: random.Random, spans: list[tuple[str, Span]]
) -> Iterator[list[tuple[str, Span]]]:
    at = 0
    while at < len(spans):
        size = chance.randint(1, 25)
        yield spans[at : at + size]
        at += size


def is_settled(own: Installation) -> bool:
    (row,) = (
        row for row in json.loads(own.cli("ingest", "status", "--json")) if row["tenant"] == "acme"
    )
    assert row["parked"] == 0, own.cli("ingest", "parked", "acme")
    return bool(row["settled"] == row["received"] == row["indexed"])


def index_rows(own: Installation, query: str) -> list[tuple[Any, ...]]:
    """Read as it is: what Roost's API makes of it has tests of its own."""
    (acme,) = (
        row["id"]
        for row in json.loads(own.cli("tenants", "list", "--json"))
        if row["slug"] == "acme"
    )
    home = own.data_dir / "homes" / acme
    with closing(sqlite3.connect(f"{current(home).as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def phoenix(own: Installation, query: str) -> Mapping[str, Any]:
    with own.client(own.key("acme", "read")) as client:
        answer: httpx.Response = client.post("/graphql", json={"query": query})
    said = answer.json()
    assert answer.status_code == 200, answer.text
    assert "errors" not in said, said["errors"]
    found: Mapping[str, Any] = said["data"]
    return found


def test_traces_are_the_same(own: Installation, sent: list[str], seed: int) -> None:
    asked = " ".join(
        f't{at}: getTraceByOtelId(traceId: "{one}") {{ {_TRACE} }}' for at, one in enumerate(sent)
    )
    said = phoenix(own, f"query Traces {{ {asked} }}")
    theirs = {one: agreed(said[f"t{at}"]) for at, one in enumerate(sent)}
    assert indexed(own) == theirs, f"seed {seed}"


def agreed(node: Mapping[str, Any]) -> Agreed:
    root = node["rootSpan"]
    return Agreed(
        node["project"]["name"],
        (node["session"] or {}).get("sessionId"),
        node["numSpans"],
        node["errorCount"],
        round(node["latencyMs"] * 1000),
        (root["name"], root["statusCode"], root["spanKind"].upper()),
    )


def indexed(own: Installation) -> dict[str, Agreed]:
    codes = {0: "UNSET", 1: "OK", 2: "ERROR"}
    rows = index_rows(
        own,
        "SELECT hex(t.trace_id), p.name, w.text, t.spans, t.errors, t.latency, t.name,"
        " t.status, t.kind FROM trace t JOIN project p ON p.id = t.project"
        " LEFT JOIN word w ON w.id = t.session",
    )
    return {
        trace.lower(): Agreed(
            project, session, spans, errors, latency,
            (name, codes[status], NAMES[kind]),
        )
        for trace, project, session, spans, errors, latency, name, status, kind in rows
    }  # fmt: skip


def test_tokens_of_projects_are_the_same(own: Installation, sent: list[str], seed: int) -> None:
    edges = phoenix(own, _PROJECTS)["projects"]["edges"]
    theirs = {
        node["name"]: (node["traceCount"], node["recordCount"], node["tokenCountTotal"])
        for node in (edge["node"] for edge in edges)
        if node["traceCount"]
    }
    ours = index_rows(
        own,
        "SELECT p.name, count(*), sum(t.spans), sum(t.tokens) FROM trace t"
        " JOIN project p ON p.id = t.project GROUP BY p.name",
    )
    assert {name: tuple(counts) for name, *counts in ours} == theirs, f"seed {seed}"


def test_sessions_are_the_same(own: Installation, sent: list[str], seed: int) -> None:
    ours = {
        session: (traces, start, end, project, prompt, completion)
        for session, traces, start, end, project, prompt, completion in index_rows(
            own,
            "SELECT w.text, s.traces, s.start, s.end, p.name, sum(t.prompt), sum(t.completion)"
            " FROM session s JOIN word w ON w.id = s.word JOIN project p ON p.id = s.project"
            " JOIN trace t ON t.session = s.word GROUP BY s.word",
        )
    }
    names = sorted(ours)
    asked = " ".join(
        f"s{at}: getProjectSessionById(sessionId: {json.dumps(one)}) {{ {_SESSION} }}"
        for at, one in enumerate(names)
    )
    said = phoenix(own, f"query Sessions {{ {asked} }}")
    theirs = {one: session_of(said[f"s{at}"]) for at, one in enumerate(names)}
    assert ours == theirs, f"seed {seed}"


def session_of(node: Mapping[str, Any]) -> tuple[object, ...]:
    tokens = node["tokenUsage"]
    return (
        node["numTraces"],
        micros(node["startTime"]),
        micros(node["endTime"]),
        node["project"]["name"],
        tokens["prompt"],
        tokens["completion"],
    )


def micros(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6)


def test_what_is_changed_in_phoenix_reaches_the_index(own: Installation, sent: list[str]) -> None:
    span = id_of(1, 0).hex()
    note = {"data": {"span_id": span, "note": "look here"}}
    with own.client(own.cookie("Ann", "acme")) as client:
        assert client.post("/t/acme/v1/span_notes", json=note).status_code == 200
        until(lambda: notes(own) == [(span, "look here", "Ann (admin)")], "the note came", 30)
        ids = {"ids": [note_row(client, span)]}
        said = client.post("/t/acme/graphql", json={"query": _DELETE, "variables": ids}).json()
        assert "errors" not in said, said
        until(lambda: notes(own) == [], "the note went", 30)
        moved = {"trace_identifiers": sent[:1], "destination_project_identifier": "p1"}
        answer = client.post("/t/acme/v1/traces/transfer", json=moved)
        assert answer.status_code == 200, answer.text
    until(lambda: project_in_index(own, sent[0]) == "p1", "the trace was moved", 30)


def test_an_index_that_is_built_anew_holds_the_same(own: Installation, sent: list[str]) -> None:
    before = indexed(own)
    assert "Done." in own.cli("ingest", "rebuild", "acme")
    until(lambda: indexed(own) == before, "the new index was in step", 60)


def notes(own: Installation) -> list[tuple[Any, ...]]:
    return index_rows(
        own,
        "SELECT target, explanation, subject_name FROM annotation WHERE name = 'note' AND trace",
    )


def note_row(client: httpx.Client, span: str) -> str:
    """Phoenix's id of the note."""
    query = f'{{ getSpanByOtelId(spanId: "{span}") {{ spanNotes {{ id }} }} }}'
    said = client.post("/t/acme/graphql", json={"query": query}).json()
    assert "errors" not in said, said
    return str(said["data"]["getSpanByOtelId"]["spanNotes"][0]["id"])


def project_in_index(own: Installation, trace_id: str) -> str:
    query = "SELECT hex(t.trace_id), p.name FROM trace t JOIN project p ON p.id = t.project"
    return str(dict(index_rows(own, query))[trace_id.upper()])
