"""Roost's reads beside Phoenix's own way, of the same spans, in one run.

    .venv/bin/python -m bench.reads --spans 100000 500000 --alone 5000000 --cache /var/tmp/bench

Phoenix is stock, on a database that it made itself, and is asked the very GraphQL documents of its
web UI. Roost is a keeper and a gateway, asked over HTTP with a read key. Sets are made once and
kept in --cache, 3.4 KB a span. Absolute times move with the machine: compare rows of one run,
and CPU before wall time where others work on it too.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import lists, phoenix_set, phoenix_side, roost_side, trees, usage
from bench.index import BIG_TRACES, DAY_US, NOW_US
from bench.one_set import OneSet, annotations
from bench.phoenix_side import PhoenixSide
from bench.questions import Question
from bench.report import tables, verdicts
from bench.results import Results, Row
from bench.roost_side import RoostSide
from bench.timing import Contestant, measured

from roost.index.generations import current
from roost.index.home import Index
from roost.index.queries import Queries
from roost.index.viewer import EVERYTHING

SINCE_US, UNTIL_US = NOW_US - 30 * DAY_US, NOW_US
DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How often each is asked, and how long Phoenix may take."""

    roost_rounds: int
    phoenix_rounds: int
    phoenix_limit_s: float
    timeout_s: float


FULL = Effort(60, 5, 20.0, 120.0)
QUICK = Effort(3, 1, 5.0, 30.0)
QUICK_SPANS, QUICK_BIG = 1_000, (300,)


def main() -> int:
    options = _options()
    effort = QUICK if options.quick else FULL
    big = QUICK_BIG if options.quick else BIG_TRACES
    sizes = dict.fromkeys(options.spans, True) | dict.fromkeys(options.alone, False)
    with _cache(options) as cache:
        found = [_size(cache, OneSet(size, big), effort, sizes[size]) for size in sorted(sizes)]
    print("\n".join(tables(found)))
    missed = [one for one in verdicts(found) if one.is_missed]
    print("missed: " + "; ".join(map(str, missed)) if missed else "all targets reached")
    return 1 if missed and options.strict else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, nargs="*", default=None, help="asked of both sides")
    parser.add_argument("--alone", type=int, nargs="*", default=[], help="asked of Roost alone")
    parser.add_argument("--cache", type=Path, help="where sets are kept; a quick run keeps none")
    parser.add_argument("--quick", action="store_true", help="few spans, few rounds: does it run?")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed")
    options = parser.parse_args()
    if options.spans is None and not options.alone:
        options.spans = [QUICK_SPANS if options.quick else 100_000]
    options.spans = options.spans or []
    return options


@contextmanager
def _cache(options: argparse.Namespace) -> Iterator[Path]:
    if options.quick and options.cache is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
        return
    cache: Path = options.cache or Path(tempfile.gettempdir()) / "roost-bench-reads"
    cache.mkdir(parents=True, exist_ok=True)
    yield cache


def _size(cache: Path, one: OneSet, effort: Effort, beside: bool) -> Results:
    """Everything that is asked at one size."""
    data_dir = cache / f"roost-{one.name}"
    path = current(roost_side.home(data_dir))
    one.build(path)
    with ExitStack() as stack:
        index = stack.enter_context(Index.open(path, deadline_s=DEADLINE_S))
        phoenix = stack.enter_context(_phoenix(cache, one, path, effort)) if beside else None
        roost = stack.enter_context(roost_side.serving(data_dir))
        asking = _Asking(roost, index.queries, phoenix, effort)
        rows = [asking.row(each) for each in _questions(index.queries, len(one.big))]
        traces = sum(project.traces for project in index.queries.projects(EVERYTHING))
    return Results(one.spans, traces, tuple(rows))


@dataclass(frozen=True, slots=True)
class _Asking:
    roost: RoostSide
    queries: Queries
    phoenix: PhoenixSide | None
    effort: Effort

    def row(self, one: Question) -> Row:
        """Phoenix first: whatever it leaves behind in caches serves both."""
        theirs, their_answer, their_bytes = None, None, 0
        if self.phoenix is not None and one.phoenix is not None:
            theirs, their_answer = measured(self._of_phoenix(one, self.phoenix))
            their_bytes = self.phoenix.received_bytes
        effort = self.effort
        ours, our_answer = measured(
            Contestant(
                lambda: one.roost(self.roost), effort.roost_rounds, DEADLINE_S, self.roost.pids
            )
        )
        alone, _ = measured(
            Contestant(lambda: one.index(self.queries), effort.roost_rounds, DEADLINE_S)
        )
        agreed = _agreed(our_answer, their_answer)
        row = Row(
            one.name, one.group, ours, alone, theirs, self.roost.received_bytes, their_bytes, agreed
        )
        print(f"  {one.group}: {row}", file=sys.stderr, flush=True)
        return row

    def _of_phoenix(self, one: Question, side: PhoenixSide) -> Contestant:
        ask = one.phoenix
        assert ask is not None  # noqa: S101
        effort = self.effort
        return Contestant(
            lambda: ask(side), effort.phoenix_rounds, effort.phoenix_limit_s, side.pids
        )


def _agreed(ours: object, theirs: object) -> float:
    """The share of the ids that both sides gave; nan where these are no lists."""
    if not isinstance(ours, list) or not isinstance(theirs, list):
        return math.nan
    most = max(len(ours), len(theirs))
    return len(set(ours) & set(theirs)) / most if most else 1.0


def _questions(queries: Queries, big: int) -> Iterator[Question]:
    yield from lists.beside(SINCE_US, UNTIL_US)
    yield from trees.questions(trees.known(queries, big))
    yield from usage.questions(SINCE_US, UNTIL_US)
    yield from lists.alone()


@contextmanager
def _phoenix(cache: Path, one: OneSet, index: Path, effort: Effort) -> Iterator[PhoenixSide]:
    folder = phoenix_set.made(cache, one.name, one.bodies(), annotations(index))
    with phoenix_side.serving(folder, effort.timeout_s) as side:
        yield side


if __name__ == "__main__":
    sys.exit(main())
