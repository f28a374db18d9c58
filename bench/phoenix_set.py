"""A big set of traces, written by SQL into a database that Phoenix made.

Phoenix inserts some 150 spans a second; half a million would take an hour. Rule: what is written
here is, row for row, what Phoenix writes of the same spans (`tests/bench/test_phoenix_set.py` holds
the two against each other), and Phoenix itself is never imported.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from shutil import copyfile

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.cells.stock_phoenix import free_port, phoenix

from roost.http.api.nesting import nested
from roost.log.records import Annotation, LoggedSpan, spans_of

TRACES_A_COMMIT = 2_000
_STATUSES = {Status.STATUS_CODE_OK: "OK", Status.STATUS_CODE_ERROR: "ERROR"}
_COLUMNS = {
    "projects": "id, name",
    "project_sessions": "id, session_id, project_id, start_time, end_time",
    "traces": "id, project_rowid, trace_id, start_time, end_time, project_session_rowid",
    "spans": "id, trace_rowid, span_id, parent_id, name, span_kind, start_time, end_time,"
    " attributes, events, status_code, status_message, cumulative_error_count,"
    " cumulative_llm_token_count_prompt, cumulative_llm_token_count_completion,"
    " llm_token_count_prompt, llm_token_count_completion",
    "span_costs": "id, span_rowid, trace_rowid, model_id, span_start_time, total_cost,"
    " total_tokens, prompt_cost, prompt_tokens, completion_cost, completion_tokens",
    "span_cost_details": "span_cost_id, token_type, is_prompt, cost, tokens, cost_per_token",
    "trace_annotations": "trace_rowid, name, label, score, explanation, metadata, annotator_kind,"
    " identifier, source",
}
Price = Mapping[tuple[str, bool], float]


def environment(folder: Path, port: int) -> dict[str, str]:
    """A Phoenix on loopback alone, without sign-in, whose database lies in `folder`."""
    return {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "PHOENIX_DISABLE_RATE_LIMIT": "true",
        "PHOENIX_ENABLE_MCP_SERVER": "false",
        "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
    }


def empty_database(cache: Path) -> Path:
    """One that Phoenix made and migrated, made once."""
    folder = cache / "phoenix-empty"
    made = folder / "made.db"
    if not made.exists():
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        with phoenix(environment(folder, port), url, folder / "phoenix.log"):
            pass
        copied(folder / "phoenix.db", made)
    return made


def copied(source: Path, target: Path) -> None:
    """With what stands in its journal."""
    uri = f"{source.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True)) as db,
        closing(sqlite3.connect(target)) as copy,
    ):
        db.backup(copy)


def made(
    cache: Path, name: str, bodies: Iterable[bytes], annotations: Sequence[Annotation]
) -> Path:
    """The folder of a Phoenix with that set in its database, made once."""
    folder = cache / f"phoenix-{name}"
    if not (folder / "phoenix.db").exists():
        folder.mkdir(parents=True, exist_ok=True)
        growing = folder / "growing.db"
        copyfile(empty_database(cache), growing)
        with closing(sqlite3.connect(growing)) as db:
            write(db, bodies, annotations)
        growing.rename(folder / "phoenix.db")
    return folder


def write(
    db: sqlite3.Connection, bodies: Iterable[bytes], annotations: Sequence[Annotation] = ()
) -> None:
    """The spans of OTLP batches. All spans of a trace must lie beside each other, and children
    before their parents, as exporters send them."""
    db.execute("PRAGMA synchronous = OFF")
    rows = _Rows(db)
    spans = (span for body in bodies for span in spans_of(body))
    traces = groupby(spans, key=lambda one: one.span.trace_id)
    for number, (trace_id, members) in enumerate(traces, start=1):
        rows.take(trace_id, list(members))
        if number % TRACES_A_COMMIT == 0:
            rows.flush()
    rows.finish(annotations)


@dataclass
class _Session:
    """Times as text: they sort as they are."""

    id: int
    project: int
    start: str
    end: str


@dataclass
class _Tally:
    """A span's own failures and tokens, and those of all below it."""

    errors: int = 0
    prompt: int = 0
    completion: int = 0

    def add(self, other: "_Tally") -> None:
        self.errors += other.errors
        self.prompt += other.prompt
        self.completion += other.completion


@dataclass
class _Rows:
    db: sqlite3.Connection
    waiting: dict[str, list[tuple[object, ...]]] = field(
        default_factory=lambda: {table: [] for table in _COLUMNS}
    )
    sessions: dict[str, _Session] = field(default_factory=dict)
    traces: dict[str, int] = field(default_factory=dict)
    spans: int = 0
    costs: int = 0

    def __post_init__(self) -> None:
        self.projects = dict(self.db.execute("SELECT name, id FROM projects").fetchall())
        self.models = dict(self.db.execute("SELECT name, id FROM generative_models").fetchall())
        self.prices: dict[int, dict[tuple[str, bool], float]] = {}
        wanted = "SELECT model_id, token_type, is_prompt, base_rate FROM token_prices"
        for model, kind, is_prompt, rate in self.db.execute(wanted):
            self.prices.setdefault(model, {})[kind, bool(is_prompt)] = rate

    def take(self, trace_id: bytes, members: Sequence[LoggedSpan]) -> None:
        project = self._project(members[0].project)
        trace = self.traces[trace_id.hex()] = len(self.traces) + 1
        start = moment(min(one.span.start_time_unix_nano for one in members))
        end = moment(max(one.span.end_time_unix_nano for one in members))
        below: dict[bytes, _Tally] = {}
        session = ""
        for one in members:
            attributes = {pair.key: _value(pair.value) for pair in one.span.attributes}
            session = session or str(attributes.get("session.id", ""))
            self._span(trace, one.span, attributes, below)
        joined = self._session(session, project, start, end) if session else None
        self.waiting["traces"].append((trace, project, trace_id.hex(), start, end, joined))

    def flush(self) -> None:
        for table, rows in self.waiting.items():
            marks = ", ".join("?" * len(_COLUMNS[table].split(",")))
            self.db.executemany(
                f"INSERT INTO {table} ({_COLUMNS[table]}) VALUES ({marks})",  # noqa: S608
                rows,
            )
            rows.clear()
        self.db.commit()

    def finish(self, annotations: Sequence[Annotation]) -> None:
        for name, one in self.sessions.items():
            row = (one.id, name, one.project, one.start, one.end)
            self.waiting["project_sessions"].append(row)
        for mark in annotations:
            said = (mark.name, mark.label, mark.score, mark.explanation, "{}", mark.annotator_kind)
            marked = (self.traces[mark.target], *said, mark.identifier, "API")
            self.waiting["trace_annotations"].append(marked)
        self.flush()

    def _project(self, name: str) -> int:
        if name not in self.projects:
            self.projects[name] = max(self.projects.values()) + 1
            self.waiting["projects"].append((self.projects[name], name))
        return int(self.projects[name])

    def _session(self, name: str, project: int, start: str, end: str) -> int:
        found = self.sessions.get(name)
        if found is None:
            found = _Session(len(self.sessions) + 1, project, start, end)
            self.sessions[name] = found
        found.start, found.end = min(found.start, start), max(found.end, end)
        return found.id

    def _span(
        self, trace: int, span: Span, flat: Mapping[str, object], below: dict[bytes, _Tally]
    ) -> None:
        self.spans += 1
        is_call = flat.get("openinference.span.kind") == "LLM"
        tokens = [_count(flat, kind) if is_call else None for kind in ("prompt", "completion")]
        own = _Tally(int(span.status.code == Status.STATUS_CODE_ERROR), *[n or 0 for n in tokens])
        own.add(below.pop(span.span_id, _Tally()))
        below.setdefault(span.parent_span_id, _Tally()).add(own)
        start = moment(span.start_time_unix_nano)
        self.waiting["spans"].append(
            (
                self.spans,
                trace,
                span.span_id.hex(),
                span.parent_span_id.hex() or None,
                span.name,
                flat.get("openinference.span.kind", "UNKNOWN"),
                start,
                moment(span.end_time_unix_nano),
                msgspec.json.encode(nested(flat)).decode(),
                "[]",
                _STATUSES.get(span.status.code, "UNSET"),
                span.status.message,
                own.errors,
                own.prompt,
                own.completion,
                *tokens,
            )
        )
        if is_call:
            self._cost(trace, start, flat)

    def _cost(self, trace: int, start: str, flat: Mapping[str, object]) -> None:
        model = self.models.get(flat.get("llm.model_name"))
        price = self.prices.get(model, {}) if model else {}
        details = list(_details(flat, price))
        if not details:
            return
        self.costs += 1
        sums: list[float | None] = []
        for which in ((True, False), (True,), (False,)):
            some = [one for one in details if one[1] in which]
            sums += [_sum([one[2] for one in some]), _sum([one[3] for one in some])]
        row = (self.costs, self.spans, trace, model, start, *sums)
        self.waiting["span_costs"].append(row)
        self.waiting["span_cost_details"] += [(self.costs, *one) for one in details]


Detail = tuple[str, bool, float | None, int, float | None]
"""Kind of token, whether of the prompt, cost, tokens, cost of one."""


def _details(flat: Mapping[str, object], price: Price) -> Iterator[Detail]:
    """Cached tokens first; what is left of the prompt and the completion at their plain price."""
    cached = flat.get("llm.token_count.prompt_details.cache_read")
    if isinstance(cached, int):
        rate = price.get(("cache_read", True), price.get(("input", True)))
        yield _detail("cache_read", True, cached, rate)
    rest = _count(flat, "prompt") - (cached if isinstance(cached, int) else 0)
    for kind, is_prompt, count in (
        ("input", True, rest),
        ("output", False, _count(flat, "completion")),
    ):
        if count > 0:
            yield _detail(kind, is_prompt, count, price.get((kind, is_prompt)))


def _detail(kind: str, is_prompt: bool, count: int, rate: float | None) -> Detail:
    if rate is None:
        return kind, is_prompt, None, count, None
    return kind, is_prompt, count * rate, count, count * rate / count if count else None


def _sum(numbers: Sequence[float | None]) -> float | None:
    """None where there is nothing."""
    known = [one for one in numbers if one]
    return sum(known) if known else None


def _count(flat: Mapping[str, object], kind: str) -> int:
    found = flat.get(f"llm.token_count.{kind}")
    return found if isinstance(found, int) else 0


def moment(nanoseconds: int) -> str:
    """As Phoenix stores a time in SQLite: by way of a float, in UTC."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _value(value: AnyValue) -> object:
    return getattr(value, value.WhichOneof("value") or "string_value")
