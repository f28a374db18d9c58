"""A whole Roost, as processes, around a Phoenix that starts at once and does as it is told.

What is only true of the real Phoenix is tested on the real one (`test_lifecycle.py`).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cells.cellar import FAKE_PHOENIX
from tests.cells.stock_phoenix import free_port
from tests.installation import Installation

SUBSCRIPTION = {"query": "subscription { chatCompletion(input: {}) { __typename } }"}
"""The fake Phoenix answers it by a stream without end."""


def a_small_one(data_dir: Path, settings: Mapping[str, str] | None = None) -> Installation:
    """Not started; its commands work all the same."""
    paths = [str(FAKE_PHOENIX), *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(paths), **(settings or {})}
    return Installation(data_dir, free_port(), own)


@contextmanager
def small_roost(
    data_dir: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    one = a_small_one(data_dir, settings)
    one.start()
    try:
        yield one
    finally:
        one.stop()
