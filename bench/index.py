"""What the index costs to write, and what its queries cost at several sizes of a home.

    .venv/bin/python bench/index.py --spans 100000 500000 5000000

Builds each home by `Index.apply`, as the keeper does, from made-up traces (`bench/traces.py`),
keeps it under --directory for the next run, and asks each query many times with varying values.
Prints p50 and p95 in milliseconds of CPU, and the ratio of p50 between largest and smallest
home. Absolute times move with the machine; rows of one run compare.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.traces import DAY_NS, NOW_NS, Scale, Traces

from roost.index.filters import (
    AnnotationFilter,
    Grain,
    Measure,
    Sort,
    SortBy,
    Status,
    TraceFilter,
    UsageBy,
    UsageQuery,
)
from roost.index.home import Index, erase
from roost.index.queries import Queries
from roost.index.sessions import SessionFilter
from roost.index.viewer import EVERYTHING, OwnTraces
from roost.log.base import Kind, Position, Record
from roost.log.records import Annotation, encoded

BATCH_SPANS = 512
RECORDS_AT_ONCE = 4
ANNOTATED_SHARE = 0.02
SCALE = Scale(projects=("default", "staging", "evals"))
NOW_US, DAY_US = NOW_NS // 1000, DAY_NS // 1000
BIG_TRACES = (1_000, 10_000, 50_000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, nargs="+", default=[100_000])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--no-text", action="store_true", help="build without full text")
    parser.add_argument("--build-only", action="store_true")
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    columns: list[dict[str, Timing]] = []
    for spans in options.spans:
        path = options.directory / f"roost-index-{spans}{'-bare' if options.no_text else ''}.db"
        build(path, spans, full_text=not options.no_text)
        if not options.build_only:
            columns.append(ask_all(path, options.rounds, full_text=not options.no_text))
    if columns:
        report(options.spans, columns)


def build(path: Path, spans: int, *, full_text: bool) -> None:
    with Index.open(path, full_text=full_text) as index:
        if _is_whole(index, spans):
            return
    erase(path)
    with Index.open(path, full_text=full_text) as index:
        cpu_s, wall_s, made = 0.0, 0.0, 0
        for records in _records(spans):
            cpu, wall = time.process_time(), time.perf_counter()
            made += index.apply(records).spans
            cpu_s += time.process_time() - cpu
            wall_s += time.perf_counter() - wall
        _annotate(index)
    size = path.stat().st_size
    print(
        f"{spans:>9,} spans{' with full text' if full_text else ''}:"
        f" {cpu_s / made * 1e6:.1f} µs CPU a span, {wall_s / made * 1e6:.1f} µs wall,"
        f" {size / made:.0f} bytes a span"
    )


def _is_whole(index: Index, spans: int) -> bool:
    """The annotations come last."""
    counted = index.read(
        lambda db: db.execute(
            "SELECT (SELECT count(*) FROM annotation), (SELECT coalesce(sum(spans), 0) FROM usage"
            " WHERE grain = 1 AND call = 0)"
        ).fetchone()
    )
    return bool(counted[0] > 0 and counted[1] >= spans)


def _records(spans: int) -> Iterator[list[Record]]:
    """The batches, then the big traces."""
    bodies = Traces(1, SCALE).batches(spans, BATCH_SPANS)
    big = (body for size in BIG_TRACES for body in Traces(size, SCALE).trace_batches(size))
    waiting: list[Record] = []
    for at, body in enumerate(chain(bodies, big), start=1):
        waiting.append(Record(Position(at), NOW_US / 1e6, Kind.SPANS, body))
        if len(waiting) == RECORDS_AT_ONCE:
            yield waiting
            waiting = []
    yield waiting


def _annotate(index: Index) -> None:
    draw = random.Random(2)  # noqa: S311 - made-up data
    ids = index.read(lambda db: db.execute("SELECT trace_id FROM trace ORDER BY id").fetchall())
    marks = [
        Annotation("trace", row[0].hex(), draw.choice(("helpful", "correct")), score=draw.random())
        for row in ids
        if draw.random() < ANNOTATED_SHARE
    ]
    body = encoded(marks)
    index.apply([Record(Position(index.cursor + 1), NOW_US / 1e6, Kind.ANNOTATIONS, body)])


@dataclass(frozen=True, slots=True)
class Timing:
    p50_ms: float
    p95_ms: float


Question = Callable[[Queries, random.Random], object]


def ask_all(path: Path, rounds: int, *, full_text: bool) -> dict[str, Timing]:
    with Index.open(path, full_text=full_text, deadline_s=30.0) as index:
        return {
            name: _timed(index.queries, question, rounds)
            for name, question in _questions(full_text=full_text).items()
        }


def _timed(queries: Queries, question: Question, rounds: int) -> Timing:
    draw = random.Random(3)  # noqa: S311 - made-up data
    question(queries, draw)
    taken = []
    for _ in range(rounds):
        began = time.thread_time()
        question(queries, draw)
        taken.append((time.thread_time() - began) * 1e3)
    taken.sort()
    return Timing(taken[len(taken) // 2], taken[min(len(taken) - 1, int(len(taken) * 0.95))])


def _questions(*, full_text: bool) -> dict[str, Question]:
    found: dict[str, Question] = {}
    found |= {f"list, sort by {one}": _listed(TraceFilter(), Sort(one)) for one in SortBy}
    found |= {f"list, {name}": _listed(wanted) for name, wanted in _EQUALITIES.items()}
    found |= {f"list, {name}": _listed(wanted, sort) for name, (wanted, sort) in _OTHERS.items()}
    found["list, one user"] = lambda queries, draw: queries.traces(
        EVERYTHING, TraceFilter(user=_user(draw))
    )
    found["list, an end user's own"] = lambda queries, draw: queries.traces(
        OwnTraces(_user(draw)), TraceFilter()
    )
    found["list, page 20"] = _deep
    if full_text:
        found["list, text: rare word"] = lambda queries, draw: queries.traces(
            EVERYTHING, TraceFilter(text=f"term{draw.randint(2_000, 30_000)}")
        )
        found["list, text: common word"] = _listed(TraceFilter(text="rivers"))
        found["list, text: two common words"] = _listed(TraceFilter(text="rivers mountains"))
    found["count, all"] = lambda queries, _: queries.count(EVERYTHING, TraceFilter())
    found["count, model and errors"] = lambda queries, _: queries.count(
        EVERYTHING, TraceFilter(model="gpt-4o", has_errors=True)
    )
    found["facets, all"] = lambda queries, _: queries.facets(EVERYTHING, TraceFilter())
    found["facets, one model"] = lambda queries, _: queries.facets(
        EVERYTHING, TraceFilter(model="gpt-4o")
    )
    found["histogram 30 d by 6 h"] = _bars(TraceFilter(), 6)
    found["histogram 30 d, errors"] = _bars(TraceFilter(has_errors=True), 6)
    found["histogram 30 d, one model"] = _bars(TraceFilter(model="gpt-4o"), 6)
    found["sessions"] = lambda queries, _: queries.sessions(EVERYTHING, SessionFilter())
    found["projects"] = lambda queries, _: queries.projects(EVERYTHING)
    for by in UsageBy:
        found[f"usage 30 d by day, by {by}"] = _used(by, Grain.DAY, 30)
    found["usage 3 d by hour"] = _used(UsageBy.NONE, Grain.HOUR, 3)
    found["usage 30 d, an end user's own"] = lambda queries, draw: queries.usage(
        OwnTraces(_user(draw)), UsageQuery(NOW_US - 30 * DAY_US, NOW_US)
    )
    for measure in (Measure.COST, Measure.LATENCY):
        found[f"tops, users by {measure} 30 d"] = _topped(measure)
    found["changed since, 100"] = lambda queries, _: queries.changed_since(
        EVERYTHING, Position(50), 100
    )
    for size in BIG_TRACES:
        found[f"skeleton of {size:,}"] = _drawn(size)
    return found


_EQUALITIES = {
    "a frequent model": TraceFilter(model="gpt-4o-mini"),
    "a rare model": TraceFilter(model="house-model-7b"),
    "a provider": TraceFilter(provider="anthropic"),
    "status": TraceFilter(status=Status.ERROR),
    "errors": TraceFilter(has_errors=True),
    "a name": TraceFilter(name="plan_trip"),
    "span kind": TraceFilter(span_kind="RETRIEVER"),
    "a project": TraceFilter(project="evals"),
}
_LATENCY, _TOKENS, _COST = Sort(SortBy.LATENCY), Sort(SortBy.TOKENS), Sort(SortBy.COST)
_OTHERS = {
    "a rare model by latency": (TraceFilter(model="house-model-7b"), _LATENCY),
    "a frequent model by tokens": (TraceFilter(model="gpt-4o-mini"), _TOKENS),
    "errors by cost": (TraceFilter(has_errors=True), _COST),
    "rare model and errors": (TraceFilter(model="house-model-7b", has_errors=True), Sort()),
    "many tokens": (TraceFilter(min_tokens=30_000), Sort()),
    "slow and many tokens": (
        TraceFilter(min_latency_us=3_000_000, min_tokens=20_000), Sort(),
    ),
    "slow, cheap, one name": (
        TraceFilter(min_latency_us=1_500_000, max_cost_usd=0.002, name="plan_trip"), _LATENCY,
    ),
    "nothing matches": (TraceFilter(min_tokens=40_000, max_cost_usd=0.0001), Sort()),
    "last day by latency": (TraceFilter(since_us=NOW_US - DAY_US), _LATENCY),
    "first day by cost": (TraceFilter(until_us=NOW_US - 29 * DAY_US), _COST),
    "annotated, by score": (
        TraceFilter(annotation=AnnotationFilter("helpful", min_score=0.9)), Sort(),
    ),
}  # fmt: skip


def _listed(wanted: TraceFilter, sort: Sort | None = None) -> Question:
    return lambda queries, _: queries.traces(EVERYTHING, wanted, sort or Sort())


def _deep(queries: Queries, _: random.Random) -> None:
    after = None
    for _page in range(20):
        after = queries.traces(EVERYTHING, TraceFilter(), Sort(SortBy.ERRORS), after=after).next


def _bars(wanted: TraceFilter, hours: int) -> Question:
    whole = replace(wanted, since_us=NOW_US - 30 * DAY_US, until_us=NOW_US)
    return lambda queries, _: queries.histogram(EVERYTHING, whole, hours * DAY_US // 24)


def _used(by: UsageBy, grain: Grain, days: int) -> Question:
    query = UsageQuery(NOW_US - days * DAY_US, NOW_US, grain, by)
    return lambda queries, _: queries.usage(EVERYTHING, query)


def _topped(measure: Measure) -> Question:
    query = UsageQuery(NOW_US - 30 * DAY_US, NOW_US, by=UsageBy.USER)
    return lambda queries, _: queries.tops(EVERYTHING, query, measure)


def _drawn(size: int) -> Question:
    def question(queries: Queries, _: random.Random) -> None:
        page = queries.traces(EVERYTHING, TraceFilter(), Sort(SortBy.SPANS), limit=3)
        trace = next(row for row in page.rows if row.spans == size)
        queries.skeleton(EVERYTHING, trace.trace_id)

    return question


def _user(draw: random.Random) -> str:
    return f"user-{min(int(draw.paretovariate(0.9)) - 1, SCALE.users - 1)}"


def report(sizes: Sequence[int], columns: Sequence[dict[str, Timing]]) -> None:
    heads = "".join(f"{f'{size:,} p50':>16}{'p95':>9}" for size in sizes)
    print(f"{'ms':<34}{heads}{'ratio':>8}")
    for name in columns[0]:
        timings = [column[name] for column in columns]
        cells = "".join(f"{one.p50_ms:>16.2f}{one.p95_ms:>9.2f}" for one in timings)
        print(f"{name:<34}{cells}{timings[-1].p50_ms / timings[0].p50_ms:>8.1f}")


if __name__ == "__main__":
    main()
