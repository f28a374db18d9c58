"""The one set of traces that both sides are asked about.

Rule: Roost's index and Phoenix's database are made of the same bytes, those of `bench/index.py`:
three projects over 30 days, traces of 8 to 20 spans, one each of 1,000, 10,000 and 50,000, and a
few annotations.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from bench.index import BATCH_SPANS, BIG_TRACES, SCALE
from bench.traces import Traces

from roost.index.home import Index
from roost.log.records import Annotation


def bodies(spans: int) -> Iterator[bytes]:
    """OTLP batches of so many spans, then the big traces."""
    big = (body for size in BIG_TRACES for body in Traces(size, SCALE).trace_batches(size))
    return chain(Traces(1, SCALE).batches(spans, BATCH_SPANS), big)


def annotations(index: Path) -> Sequence[Annotation]:
    """Those that the index was given."""
    with Index.open(index) as one:
        rows = one.read(
            lambda db: db.execute("SELECT of, target, name, score FROM annotation").fetchall()
        )
    return [Annotation(of, target, name, score=score) for of, target, name, score in rows]
