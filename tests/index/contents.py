"""All that an index says of its home, in words: equal homes have equal contents, whatever numbers
their rows have."""

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from roost.index.home import Index

Rows = list[tuple[object, ...]]

_MACROS = {
    "WORD": "(SELECT text FROM word WHERE id = {})",
    "TRACE": "(SELECT hex(trace_id) FROM trace WHERE id = {})",
    "PROJECT": "(SELECT name FROM project WHERE id = {})",
}
_USAGE = (
    "spans, errors, traces, failed, prompt, completion, cached, reasoning, cost, unpriced, sketch"
)
_QUERIES = {
    "projects": "SELECT name, traces FROM project WHERE traces",
    "traces": """
        SELECT hex(trace_id), PROJECT(project), WORD(session),
          WORD(owner), WORD(user), several,
          (SELECT span_id FROM span WHERE id = t.id << 24 | t.root), rooted, root_start,
          name, WORD(name_word), kind, status, start, end, latency, spans, errors,
          prompt, completion, tokens, cost, unpriced, WORD(model),
          WORD(provider), kinds FROM trace t""",
    "previews": "SELECT TRACE(trace), input, output FROM preview",
    "changes": "SELECT hex(trace_id), changed FROM trace",
    "spans": """
        SELECT span_id, TRACE(id >> 24), parent, WORD(name),
          kind, status, start, end, WORD(model), WORD(provider),
          WORD(user), WORD(session), prompt, completion, cached,
          reasoning, cost FROM span""",
    "places": "SELECT span_id, position, ordinal FROM span",
    "postings": """
        SELECT dimension, CASE WHEN dimension IN (1, 2, 3, 5, 8, 10) THEN WORD(value)
          ELSE value END, PROJECT(project), start, TRACE(trace)
        FROM posting""",
    "sessions": """
        SELECT WORD(word), PROJECT(project), start, end, traces, failed, tokens, cost, priced,
          several FROM session""",
    "annotations": """
        SELECT of, target, name, identifier, TRACE(trace), label, score
        FROM annotation""",
    "usage": """
        SELECT grain, call, bucket, PROJECT(project), WORD(model),
          WORD(provider), USAGE FROM usage""",
    "user_usage": """
        SELECT grain, call, bucket, PROJECT(project), WORD(model),
          WORD(provider), WORD(user), own, USAGE FROM user_usage""",
    "tombstones": "SELECT hex(trace_id) FROM gone_trace UNION SELECT span_id FROM gone_span",
    "shells": "SELECT hex(trace_id), PROJECT(project), start, end FROM shell",
}


@dataclass(frozen=True, slots=True)
class Contents:
    tables: Mapping[str, Rows]
    said: frozenset[tuple[str, str]]
    """Trace and word."""

    def without(self, *names: str) -> Mapping[str, Rows]:
        return {name: rows for name, rows in self.tables.items() if name not in names}


def contents_of(index: Index) -> Contents:
    return index.read(_contents)


def _contents(db: sqlite3.Connection) -> Contents:
    tables = {
        name: sorted(db.execute(_expanded(query)).fetchall(), key=repr)
        for name, query in _QUERIES.items()
    }
    said = set()
    for trace, text in db.execute(_expanded("SELECT TRACE(rowid >> 24), text FROM words_of")):
        said |= {(trace, word) for word in text.split()}
    return Contents(tables, frozenset(said))


def _expanded(query: str) -> str:
    for name, macro in _MACROS.items():
        query = re.sub(rf"{name}\(([^()]*)\)", lambda found: macro.format(found[1]), query)  # noqa: B023
    return query.replace("USAGE", _USAGE)
