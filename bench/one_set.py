"""The one set of traces that both sides are asked about.

Rule: Roost's index and Phoenix's database are made of the same bytes, those of `bench/index.py`:
three projects over 30 days, traces of 8 to 20 spans, a few of 1,000 to 50,000, some annotations.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from bench import index as home_index
from bench.index import BATCH_SPANS, BIG_TRACES, NOW_US, SCALE
from bench.traces import Traces

from roost.index.home import Index
from roost.log.base import Kind, Position, Record
from roost.log.records import Annotation


@dataclass(frozen=True, slots=True)
class OneSet:
    """So many spans in ordinary traces, and one trace of each size of `big`."""

    spans: int
    big: Sequence[int] = BIG_TRACES

    @property
    def name(self) -> str:
        return str(self.spans) if self.big == BIG_TRACES else f"{self.spans}-small"

    def bodies(self) -> Iterator[bytes]:
        """As OTLP batches."""
        big = (body for size in self.big for body in Traces(size, SCALE).trace_batches(size))
        return chain(Traces(1, SCALE).batches(self.spans, BATCH_SPANS), big)

    def build(self, index: Path) -> None:
        """An index of it at that path, unless it is there."""
        if self.big == BIG_TRACES:
            home_index.build(index, self.spans, full_text=True)
            return
        with Index.open(index) as one:
            bodies = enumerate(self.bodies(), start=1)
            one.apply([Record(Position(at), NOW_US / 1e6, Kind.SPANS, body) for at, body in bodies])


def annotations(index: Path) -> Sequence[Annotation]:
    """Those that the index was given."""
    with Index.open(index) as one:
        rows = one.read(
            lambda db: db.execute("SELECT of, target, name, score FROM annotation").fetchall()
        )
    return [Annotation(of, target, name, score=score) for of, target, name, score in rows]
