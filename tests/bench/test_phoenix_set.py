"""The bench's big sets are worth nothing unless they are what Phoenix itself would have stored, and
both sides answer the same when they are asked."""

import http.client
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.index import DAY_US, NOW_US
from bench.lists import beside
from bench.phoenix_set import copied, write
from bench.phoenix_side import PhoenixSide
from bench.questions import Question
from bench.roost_side import RoostSide
from bench.traces import Scale, Traces
from bench.trees import known
from bench.trees import questions as tree_questions
from bench.usage import questions as usage_questions
from tests.cells.stock_phoenix import until
from tests.ingest.spans import PROTOBUF
from tests.installation import BASE, Installation

from roost.index.generations import current
from roost.index.home import Index

TENANT = "bench-set"
SPANS = 300
SCALE = Scale(users=5, error_share=0.3)
UNNAMED = Scale(("staging",), user_share=0.0)
"""No user and so no session: one in two projects belongs to whichever comes first."""
SETTLED_S = 120.0
SINCE_US = NOW_US - 30 * DAY_US
ROWS = {
    "project": "SELECT name FROM projects",
    "session": "SELECT s.session_id, p.name, s.start_time, s.end_time FROM project_sessions s"
    " JOIN projects p ON p.id = s.project_id",
    "trace": "SELECT t.trace_id, p.name, t.start_time, t.end_time, s.session_id FROM traces t"
    " JOIN projects p ON p.id = t.project_rowid"
    " LEFT JOIN project_sessions s ON s.id = t.project_session_rowid",
    "span": "SELECT s.span_id, t.trace_id, s.parent_id, s.name, s.span_kind, s.start_time,"
    " s.end_time, s.attributes, s.events, s.status_code, s.status_message,"
    " s.cumulative_error_count, s.cumulative_llm_token_count_prompt,"
    " s.cumulative_llm_token_count_completion, s.llm_token_count_prompt,"
    " s.llm_token_count_completion, typeof(s.attributes)"
    " FROM spans s JOIN traces t ON t.id = s.trace_rowid",
    "cost": "SELECT s.span_id, t.trace_id, c.model_id, c.span_start_time, c.total_cost,"
    " c.total_tokens, c.prompt_cost, c.prompt_tokens, c.completion_cost, c.completion_tokens"
    " FROM span_costs c JOIN spans s ON s.id = c.span_rowid JOIN traces t ON t.id = c.trace_rowid",
    "part of a cost": "SELECT s.span_id, d.token_type, d.is_prompt, d.cost, d.tokens,"
    " d.cost_per_token FROM span_cost_details d JOIN span_costs c ON c.id = d.span_cost_id"
    " JOIN spans s ON s.id = c.span_rowid",
}


@dataclass(frozen=True)
class Sides:
    """The same spans: in a home's cell and index by way of Roost's ingest, in `ours` by SQL."""

    theirs: Path
    ours: Path
    phoenix: PhoenixSide
    roost: RoostSide
    index: Path


@pytest.fixture(scope="module")
def sides(roost: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    made = json.loads(roost.cli("tenants", "create", TENANT, "--json"))
    home = roost.data_dir / "homes" / made["id"]
    key = roost.key(TENANT, "read")
    path, headers = f"{BASE}/t/{TENANT}/graphql", {"authorization": f"Bearer {key}"}
    phoenix = PhoenixSide("127.0.0.1", roost.port, (), 60.0, path, headers)
    phoenix.ask("useAllProjectsQuery", {})  # wakes the cell, which makes its database
    theirs, ours = home / "phoenix" / "phoenix.db", tmp_path_factory.mktemp("set") / "ours.db"
    copied(theirs, ours)
    bodies = [*Traces(5, SCALE).batches(SPANS), *Traces(6, UNNAMED).batches(SPANS // 3)]
    with closing(sqlite3.connect(ours)) as db:
        write(db, bodies)
    with roost.client(roost.key(TENANT, "ingest")) as client:
        for body in bodies:
            sent_as = {"content-type": PROTOBUF}
            client.post("/v1/traces", content=body, headers=sent_as).raise_for_status()
    until(lambda: is_settled(roost), "Phoenix had everything", SETTLED_S)
    connection = http.client.HTTPConnection("127.0.0.1", roost.port, timeout=60)
    side = RoostSide(connection, key, ())
    yield Sides(theirs, ours, phoenix, side, current(home))
    connection.close()


def is_settled(roost: Installation) -> bool:
    rows = json.loads(roost.cli("ingest", "status", "--json"))
    row = next(row for row in rows if row["tenant"] == TENANT)
    return bool(row["settled"] == row["received"] == row["indexed"])


@pytest.mark.parametrize("what", ROWS)
def test_each_row_is_what_phoenix_writes(sides: Sides, what: str) -> None:
    assert rows(sides.ours, ROWS[what]) == rows(sides.theirs, ROWS[what])


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        found = [tuple(map(plain, row)) for row in db.execute(query)]
    assert found
    return sorted(found, key=str)


def plain(value: object) -> object:
    """JSON whatever the order of its names, a sum of floats without its last digits."""
    if isinstance(value, str) and value.startswith("{"):
        return json.dumps(json.loads(value), sort_keys=True)
    return round(value, 12) if isinstance(value, float) else value


def test_both_sides_give_the_same_traces_and_spans_in_the_same_order(sides: Sides) -> None:
    for one in questions(sides):
        assert one.phoenix is not None
        theirs, ours = one.phoenix(sides.phoenix), one.roost(sides.roost)
        if isinstance(ours, list):
            assert theirs == ours, one.name


def questions(sides: Sides) -> Iterator[Question]:
    with Index.open(sides.index) as index:
        traces = known(index.queries, 1)
    yield from beside(SINCE_US, NOW_US)
    yield from tree_questions(traces)
    yield from usage_questions(SINCE_US, NOW_US)
