"""Hours, days, weeks and months in UTC: where each begins, and which one a time lies in. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, case, literal

from roost.analytics.questions import POINTS_MAX, Step
from roost.errors import BadRequest

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_SIZES_MS = {Step.HOUR: HOUR_MS, Step.DAY: DAY_MS, Step.WEEK: 7 * DAY_MS}
_OFFSETS_MS = {Step.HOUR: 0, Step.DAY: 0, Step.WEEK: 3 * DAY_MS}
"""The epoch began on a Thursday, its week three days sooner."""
MONTHS_MAX = 120


def begins(step: Step, since_ms: int, until_ms: int) -> list[int]:
    """Where each step begins that has a part in the time. BadRequest where these are too many.

    >>> begins(Step.DAY, 90_000_000, 200_000_000)
    [86400000, 172800000]
    >>> [datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
    ...  for at in begins(Step.WEEK, 0, 1) + begins(Step.MONTH, 40 * DAY_MS, 60 * DAY_MS)]
    ['1969-12-29', '1970-02-01', '1970-03-01']
    """
    limit = MONTHS_MAX if step is Step.MONTH else POINTS_MAX
    if (until_ms - since_ms) / (_SIZES_MS.get(step, 28 * DAY_MS)) > limit:
        raise BadRequest(f"That is more than {limit} points; take a longer `step` or less time.")
    return list(
        _months(since_ms, until_ms) if step is Step.MONTH else _even(step, since_ms, until_ms)
    )


def _even(step: Step, since_ms: int, until_ms: int) -> Iterator[int]:
    size, offset = _SIZES_MS[step], _OFFSETS_MS[step]
    at = (since_ms + offset) // size * size - offset
    while at < until_ms:
        yield at
        at += size


def _months(since_ms: int, until_ms: int) -> Iterator[int]:
    first = datetime.fromtimestamp(since_ms / 1000, UTC)
    year, month = first.year, first.month
    while (at := _ms(year, month)) < until_ms:
        yield at
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)


def _ms(year: int, month: int) -> int:
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000


def end_of(step: Step, last_ms: int) -> int:
    """Where the step ends that begins then."""
    if step is not Step.MONTH:
        return last_ms + _SIZES_MS[step]
    last = datetime.fromtimestamp(last_ms / 1000, UTC)
    return _ms(last.year + last.month // 12, last.month % 12 + 1)


def step_column(
    step: Step, time_ms: ColumnElement[int], starts_ms: list[int]
) -> ColumnElement[int]:
    """The place in `starts_ms` of the step that a time lies in, as SQL; all times lie in one."""
    if step is not Step.MONTH:
        return (time_ms - starts_ms[0]) // _SIZES_MS[step]
    ends = [(time_ms < end, place) for place, end in enumerate(starts_ms[1:])]
    return case(*ends, else_=literal(len(starts_ms) - 1)) if ends else literal(0)
