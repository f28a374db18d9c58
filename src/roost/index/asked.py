"""A filter and a viewer in the index's own terms.

Rule 1: the viewer is the first condition and cannot be left out. Rule 2: every condition stands
here twice over, as a set of candidates where it is rare enough to begin with, and as a test of one
trace `t`; both say the same.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from roost.index.catalogue import known_project
from roost.index.effort import Effort
from roost.index.facts import KINDS
from roost.index.filters import STATUSES, AnnotationFilter, TraceFilter
from roost.index.postings import Label, Posted
from roost.index.text import Term, find, terms_of
from roost.index.viewer import OwnTraces, Viewer
from roost.index.words import known_word

NANO = 1_000_000_000

Value = int | str | float


@dataclass(frozen=True, slots=True)
class Test:
    """SQL that holds for a trace `t`."""

    sql: str
    values: tuple[Value, ...] = ()


@dataclass(slots=True)
class Asked:
    """`labels` are conditions that `posting` can begin with, `ranges` those that an index of
    `trace` can, by column and with both ends; `ids`, where not None, are the only candidates."""

    projects: Sequence[int]
    effort: Effort
    labels: list[Label] = field(default_factory=list)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    tests: list[Test] = field(default_factory=list)
    ids: set[int] | None = None

    @property
    def is_plain(self) -> bool:
        """Nothing but projects and time."""
        return not self.labels and not self.tests and self.ids is None and not self.other_ranges

    @property
    def other_ranges(self) -> dict[str, tuple[int, int]]:
        return {column: ends for column, ends in self.ranges.items() if column != "start"}

    def narrow(self, ids: set[int]) -> None:
        self.ids = ids if self.ids is None else self.ids & ids


_LEAST, _MOST = -(1 << 62), 1 << 62


def ask(
    db: sqlite3.Connection, viewer: Viewer, wanted: TraceFilter, effort: Effort
) -> Asked | None:
    """None where nothing can match: a value that no trace has ever had."""
    terms = terms_of(wanted.text)
    projects = _projects(db, wanted.project)
    labels = list(_labels(db, viewer, wanted))
    if not projects or any(value is None for _, value in labels):
        return None
    asked = Asked(projects, effort, [(dimension, value or 0) for dimension, value in labels])
    asked.ranges = dict(_ranges(wanted))
    if wanted.has_errors is False:
        asked.ranges["errors"] = (0, 0)
    if wanted.annotation is not None:
        _ask_annotation(db, asked, wanted.annotation)
    if wanted.text.strip() and not terms:
        asked.narrow(set())
    _ask_text(db, asked, terms)
    return asked


def test_of(label: Label) -> Test:
    """By the trace's own columns where they tell, else by its posting."""
    dimension, value = label
    posting = (
        "EXISTS (SELECT 1 FROM posting WHERE dimension = ? AND value = ? AND project = t.project"
        " AND start = t.start AND trace = t.id)"
    )
    match dimension:
        case Posted.MODEL:
            return Test(f"(t.model = ? OR {posting})", (value, dimension, value))
        case Posted.PROVIDER:
            return Test(f"(t.provider = ? OR {posting})", (value, dimension, value))
        case Posted.USER:
            return Test(f"(t.user = ? OR (t.several AND {posting}))", (value, dimension, value))
        case Posted.SPAN_KIND:
            return Test("(t.kinds >> ?) & 1", (value,))
        case Posted.FAILED:
            return Test("t.errors > 0")
        case _:
            return Test(f"t.{_COLUMNS[Posted(dimension)]} = ?", (value,))


_COLUMNS = {
    Posted.NAME: "name_word",
    Posted.KIND: "kind",
    Posted.STATUS: "status",
    Posted.SESSION: "session",
    Posted.OWNER: "owner",
}


def owner_label(db: sqlite3.Connection, viewer: OwnTraces) -> tuple[int, int | None]:
    return Posted.OWNER.value, known_word(db, viewer.user_id)


def _projects(db: sqlite3.Connection, name: str | None) -> list[int]:
    if name is None:
        return [row[0] for row in db.execute("SELECT id FROM project ORDER BY id")]
    found = known_project(db, name)
    return [] if found is None else [found]


def _labels(
    db: sqlite3.Connection, viewer: Viewer, wanted: TraceFilter
) -> Iterator[tuple[int, int | None]]:
    if isinstance(viewer, OwnTraces):
        yield owner_label(db, viewer)
    for dimension, text in (
        (Posted.MODEL, wanted.model),
        (Posted.PROVIDER, wanted.provider),
        (Posted.USER, wanted.user),
        (Posted.NAME, wanted.name),
        (Posted.SESSION, wanted.session),
    ):
        if text is not None:
            yield dimension.value, known_word(db, text)
    for dimension, kind in ((Posted.KIND, wanted.kind), (Posted.SPAN_KIND, wanted.span_kind)):
        if kind is not None:
            yield dimension.value, KINDS.index(kind) if kind in KINDS else None
    if wanted.status is not None:
        yield Posted.STATUS.value, STATUSES.index(wanted.status)
    if wanted.has_errors:
        yield Posted.FAILED.value, 1


def _ranges(wanted: TraceFilter) -> Iterator[tuple[str, tuple[int, int]]]:
    if wanted.since_us is not None or wanted.until_us is not None:
        until = None if wanted.until_us is None else wanted.until_us - 1
        yield "start", _ends(wanted.since_us, until)
    if wanted.min_tokens is not None or wanted.max_tokens is not None:
        yield "tokens", _ends(wanted.min_tokens, wanted.max_tokens)
    if wanted.min_latency_us is not None or wanted.max_latency_us is not None:
        yield "latency", _ends(wanted.min_latency_us, wanted.max_latency_us)
    if wanted.min_cost_usd is not None or wanted.max_cost_usd is not None:
        least = max(0, _nano(wanted.min_cost_usd) or 0)
        yield "cost", _ends(least, _nano(wanted.max_cost_usd))


def _ends(least: int | None, most: int | None) -> tuple[int, int]:
    return _LEAST if least is None else least, _MOST if most is None else most


def _nano(cost_usd: float | None) -> int | None:
    return None if cost_usd is None else round(min(cost_usd, 1e9) * NANO)


def _ask_annotation(db: sqlite3.Connection, asked: Asked, wanted: AnnotationFilter) -> None:
    where, values = "a.name = ?", [wanted.name]
    conditions: tuple[tuple[str, Value | None], ...] = (
        ("a.label = ?", wanted.label),
        ("a.score >= ?", wanted.min_score),
        ("a.score <= ?", wanted.max_score),
    )
    asked_values: list[Value] = list(values)
    for sql, value in conditions:
        if value is not None:
            where += f" AND {sql}"
            asked_values.append(value)
    rows = db.execute(
        f"SELECT a.trace FROM annotation a WHERE {where} AND a.trace LIMIT ?",  # noqa: S608
        (*asked_values, asked.effort.rare + 1),
    ).fetchall()
    if len(rows) <= asked.effort.rare:
        asked.narrow({row[0] for row in rows})
        return
    asked.tests.append(
        Test(
            f"EXISTS (SELECT 1 FROM annotation a WHERE a.trace = t.id AND +{where})",  # noqa: S608
            tuple(asked_values),
        )
    )


def _ask_text(db: sqlite3.Connection, asked: Asked, terms: Sequence[Term]) -> None:
    for at, term in enumerate(terms):
        match find(db, term, asked.effort, f"has_term_{at}"):
            case set() as ids:
                asked.narrow(ids)
            case str() as sql:
                asked.tests.append(Test(sql))
