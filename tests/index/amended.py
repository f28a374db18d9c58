"""An index for the tests of what the cell says: fed by records, and looked at as a whole."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.ingest.spans import group, request

from roost.index.home import Index
from roost.log.base import Kind, Position, Record
from roost.log.records import Annotation, Deletion, encoded

HOUR_NS = 3_600 * 10**9
START_NS = 1_790_000_000 * 10**9

_TABLES: Mapping[str, str] = {
    "trace": "SELECT t.trace_id, p.name, t.name, t.status, t.start, t.end, t.spans, t.errors,"
    " t.prompt, t.completion, t.cost, t.several, t.kinds, (SELECT text FROM word WHERE id = t.user)"
    " FROM trace t JOIN project p ON p.id = t.project",
    "span": "SELECT span_id, parent, kind, status, start, end, prompt, completion, position,"
    " ordinal, (SELECT text FROM word WHERE id = name) FROM span",
    "project": "SELECT name, traces FROM project WHERE traces",
    # In which project a session began, a log that was erased does not tell: the cell does.
    "session": "SELECT (SELECT text FROM word WHERE id = s.word), s.start, s.end, s.traces"
    " FROM session s",
    "usage": "SELECT grain, call, bucket, p.name, (SELECT text FROM word WHERE id = model), spans,"
    " errors, u.traces, failed, prompt, completion, cost, sketch"
    " FROM usage u JOIN project p ON p.id = u.project",
    "user_usage": "SELECT grain, call, bucket, p.name,"
    " (SELECT text FROM word WHERE id = user), own, spans, u.traces, prompt, sketch"
    " FROM user_usage u JOIN project p ON p.id = u.project",
    # One that waits for its span is not there yet.
    "annotation": "SELECT of, target, name, identifier, trace <> 0, annotator_kind, label, score,"
    " explanation, subject_name FROM annotation WHERE trace <> 0 OR of = 'session'",
    "posting": "SELECT dimension, p.name, start,"
    " (SELECT trace_id FROM trace WHERE id = trace) FROM posting o JOIN project p"
    " ON p.id = o.project",
}


def span(
    trace: int,
    number: int,
    *,
    parent: int = 0,
    failed: bool = False,
    start_ns: int = START_NS,
    **attributes: str | int,
) -> Span:
    """Attributes by name, `__` for a dot; tokens make it a call of a model."""
    pairs = {key.replace("__", "."): value for key, value in attributes.items()}
    return Span(
        trace_id=trace.to_bytes(16),
        span_id=number.to_bytes(8),
        parent_span_id=parent.to_bytes(8) if parent else b"",
        name=f"span {number}",
        start_time_unix_nano=start_ns + number * 1_000_000,
        end_time_unix_nano=start_ns + number * 3_000_000,
        attributes=[KeyValue(key=key, value=_value(value)) for key, value in pairs.items()],
        status=Status(code=Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET),
    )


def call(trace: int, number: int, *, parent: int = 0, user: str = "", session: str = "") -> Span:
    """A call of a model."""
    made = span(
        trace, number, parent=parent,
        openinference__span__kind="LLM", llm__model_name="gpt-4o", llm__provider="openai",
        llm__token_count__prompt=10 * number, llm__token_count__completion=number,
    )  # fmt: skip
    for key, value in (("user.id", user), ("session.id", session)):
        if value:
            made.attributes.append(KeyValue(key=key, value=_value(value)))
    return made


def _value(value: str | int) -> AnyValue:
    return AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)


def spans_record(position: int, *spans: Span, project: str = "p") -> Record:
    body = request(group(spans, project)).SerializeToString()
    return Record(Position(position), position, Kind.SPANS, body)


def annotations_record(position: int, *annotations: Annotation) -> Record:
    return Record(Position(position), position, Kind.ANNOTATIONS, encoded(annotations))


def deletion_record(position: int, deletion: Deletion) -> Record:
    return Record(Position(position), position, Kind.DELETION, encoded(deletion))


def index_of(path: Path, records: Sequence[Record]) -> Index:
    index = Index.open(path, full_text=False)
    index.apply(records)
    return index


def contents(index: Index) -> dict[str, list[tuple[object, ...]]]:
    """Everything that it holds, without the numbers that depend on when it came."""

    def look(db: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
        return {
            table: sorted(db.execute(query).fetchall(), key=repr)
            for table, query in _TABLES.items()
        }

    return index.read(look)
