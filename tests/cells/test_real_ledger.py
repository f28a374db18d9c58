"""What a real Phoenix has stored, read from its file and by its API, is what was sent."""

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import connect

import pytest
import pytest_asyncio
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.cells.cellar import ACME, Cellar, until
from tests.cells.phoenix_file import PhoenixFile
from tests.ingest.spans import group, request

from roost.cells.client import CellClient
from roost.cells.ledger import ApiLedger, Ledger, SqliteLedger
from roost.cells.ledger_annotations import KINDS, SqliteAnnotations
from roost.cells.ledger_api import ApiIdentity, ApiSpans
from roost.cells.ledger_identity import SqliteIdentity
from roost.cells.ledger_spans import SqliteSpans
from roost.cells.ledger_view import SpanSource
from roost.cells.states import RunningCell
from roost.index.facts import facts_of
from roost.log.records import LoggedSpan

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="forks"),
    pytest.mark.asyncio(loop_scope="session"),
]
START_NS = 1_790_000_000_123_456_000
PATIENCE_S = 30.0
TEXT = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o",
    "llm.provider": "openai",
    "input.value": "What is a roost?",
    "output.value": "A place to rest.",
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "What is a roost?",
    "session.id": "chat",
    "user.id": "ann",
    "metadata": '{"team": "blue"}',
    "tool.parameters": '{"city": "Rome"}',
}
COUNTS = {"llm.token_count.prompt": 7, "llm.token_count.prompt_details.cache_read": 2}


def a_span(number: int, *, parent: int = 0, failed: bool = False) -> Span:
    pairs = [KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in TEXT.items()]
    pairs += [KeyValue(key=key, value=AnyValue(int_value=count)) for key, count in COUNTS.items()]
    tags = ArrayValue(values=[AnyValue(string_value="a"), AnyValue(string_value="b")])
    pairs.append(KeyValue(key="tag.tags", value=AnyValue(array_value=tags)))
    code = Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_OK
    return Span(
        trace_id=(77).to_bytes(16),
        span_id=number.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent else b"",
        name=f"span {number}",
        start_time_unix_nano=START_NS + number * 1_000,
        end_time_unix_nano=START_NS + number * 5_000_000,
        attributes=pairs,
        status=Status(code=code, message="it broke" if failed else ""),
        events=[Span.Event(name="step", time_unix_nano=START_NS, attributes=pairs[:1])],
    )


SENT = [a_span(1), a_span(2, parent=1, failed=True), a_span(3, parent=1)]


@dataclass
class Stored:
    """A cell that holds SENT in project `p`, and where its database is."""

    running: RunningCell
    client: CellClient
    database: Path

    async def post(self, path: str, document: Mapping[str, object]) -> None:
        async with self.client.session.post(
            self.client.address + path, json=document, headers=self.proof
        ) as answer:
            assert answer.status == 200, await answer.text()

    @property
    def proof(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.client.admin_secret}"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stored(real_cells: Cellar) -> AsyncIterator[Stored]:
    async with awake(real_cells) as one:
        body = request(group(SENT, "p")).SerializeToString()
        headers = {**one.proof, "content-type": "application/x-protobuf"}
        async with one.client.session.post(
            f"{one.client.address}/v1/traces", data=body, headers=headers
        ) as answer:
            assert answer.status == 200
        await until(lambda: count(one.database) == len(SENT), "all was stored", PATIENCE_S)
        yield one


def count(database: Path) -> int:
    with closing(connect(f"{database.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM spans").fetchone()[0])


@asynccontextmanager
async def awake(real_cells: Cellar) -> AsyncIterator[Stored]:
    async with real_cells.cells() as cells:
        running = await cells.wake(ACME)
        client = CellClient(
            session=real_cells.session,
            address=running.address,
            instance=running.instance,
            client_id=running.spec.client_id,
            secret=running.spec.secrets.signing,
            admin_secret=running.admin_secret,
        )
        yield Stored(running, client, running.spec.working_dir / "phoenix.db")


def told(logged: LoggedSpan) -> dict[str, object]:
    """All that a span says, without the order of its attributes."""
    span = logged.span
    return {
        "ids": (span.trace_id, span.span_id, span.parent_span_id),
        "name": (logged.project, span.name),
        "times": (span.start_time_unix_nano, span.end_time_unix_nano),
        "status": (span.status.code, span.status.message),
        "events": [
            (one.name, one.time_unix_nano, sorted(map(str, one.attributes))) for one in span.events
        ],
        "attributes": sorted(map(str, span.attributes)),
    }


def as_stored(span: Span) -> Span:
    """Phoenix reads some texts as JSON, and writes them as it likes."""
    copy = Span()
    copy.CopyFrom(span)
    for pair in copy.attributes:
        if pair.key in ("metadata", "tool.parameters"):
            pair.value.string_value = pair.value.string_value.replace(": ", ":")
    return copy


@pytest.mark.parametrize("by", ["file", "api"])
async def test_spans_come_back_as_they_were_sent(stored: Stored, by: str) -> None:
    source: SpanSource = SqliteSpans(stored.database) if by == "file" else ApiSpans(stored.client)
    keys = await source.keys(0, 10)
    assert [key.span_id for key in keys] == [span.span_id.hex() for span in SENT]
    assert await source.is_at(keys[1])
    assert not await source.is_at(replace(keys[1], row=keys[0].row))
    found = await source.spans([key.row for key in keys])
    sent = [LoggedSpan(0, "p", (), "", as_stored(span)) for span in SENT]
    if by == "file":
        assert [told(one) for one in found] == [told(one) for one in sent]
    facts = [facts_of(one) for one in found]
    assert facts == [facts_of(LoggedSpan(0, "p", (), "", span)) for span in SENT]
    assert [key.row for key in await source.keys(keys[0].row, 1)] == [keys[1].row]


async def test_file_and_api_know_the_same_traces(stored: Stored) -> None:
    ids = [(77).to_bytes(16), (78).to_bytes(16)]
    ledgers: list[Ledger] = [SqliteLedger(stored.database), ApiLedger(stored.client)]
    for ledger in ledgers:
        assert await ledger.projects_of(ids) == {ids[0]: "p"}


async def test_annotations_and_notes_are_read(stored: Stored) -> None:
    number, trace = (1).to_bytes(8).hex(), (77).to_bytes(16).hex()
    said = {"name": "quality", "annotator_kind": "HUMAN", "result": {"label": "good", "score": 1}}
    await stored.post("/v1/span_annotations?sync=true", {"data": [{"span_id": number, **said}]})
    await stored.post("/v1/trace_annotations?sync=true", {"data": [{"trace_id": trace, **said}]})
    await stored.post(
        "/v1/session_annotations?sync=true", {"data": [{"session_id": "chat", **said}]}
    )
    await stored.post("/v1/span_notes", {"data": {"span_id": number, "note": "a remark"}})
    annotations = SqliteAnnotations(stored.database, "nobody")
    found = [one.annotation for of in KINDS for one in await annotations.slice(of, 0, 10)]
    assert [(one.of, one.target, one.name, one.label, one.score) for one in found] == [
        ("span", number, "quality", "good", 1.0),
        ("span", number, "note", None, None),
        ("trace", trace, "quality", "good", 1.0),
        ("session", "chat", "quality", "good", 1.0),
    ]
    assert found[1].explanation == "a remark"
    present = await annotations.present("span", [number])
    assert not present.lacks(number, "quality", "")
    assert present.lacks(number, "speed", "")


async def test_a_database_has_an_identity_by_file_and_by_api(stored: Stored) -> None:
    for source in (SqliteIdentity(stored.database, "nobody"), ApiIdentity(stored.client)):
        identity = await source.look()
        assert identity.first_project
        assert identity.is_still(await source.look())


async def test_the_file_of_the_tests_has_columns_that_phoenix_has(
    stored: Stored, tmp_path: Path
) -> None:
    ours, theirs = columns(PhoenixFile(tmp_path / "p.db").make().path), columns(stored.database)
    for table, names in ours.items():
        assert names <= theirs[table], table


def columns(path: Path) -> dict[str, set[str]]:
    with closing(connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            table: {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
            for (table,) in tables
        }
