"""Which values a trace is found by.

Rule: `posting` holds exactly `posted(trace)` for every trace, so that taking a trace out needs
nothing but its own row.
"""

from collections.abc import Iterable
from enum import IntEnum


class Posted(IntEnum):
    """The dimensions as they are stored: never renumbered without another schema version.

    The first four are labels: a trace has those of all of its spans."""

    MODEL = 1
    PROVIDER = 2
    USER = 3
    SPAN_KIND = 4
    NAME = 5
    KIND = 6
    STATUS = 7
    SESSION = 8
    FAILED = 9
    OWNER = 10
    """The user who may see the trace as their own."""


Label = tuple[int, int]
"""Dimension and value."""


def labels_of_span(model: int, provider: int, user: int, kind: int) -> Iterable[Label]:
    yield Posted.SPAN_KIND.value, kind
    if model:
        yield Posted.MODEL.value, model
    if provider:
        yield Posted.PROVIDER.value, provider
    if user:
        yield Posted.USER.value, user
