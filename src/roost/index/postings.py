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


_MODEL, _PROVIDER, _USER = Posted.MODEL.value, Posted.PROVIDER.value, Posted.USER.value
_SPAN_KIND = Posted.SPAN_KIND.value


def labels_of_span(model: int, provider: int, user: int, kind: int) -> Iterable[Label]:
    yield _SPAN_KIND, kind
    if model:
        yield _MODEL, model
    if provider:
        yield _PROVIDER, provider
    if user:
        yield _USER, user
