"""What may be asked about events, and the answers, as msgspec types.

Times are milliseconds since the epoch; `since_ms` counts in, `until_ms` does not. Days begin at
midnight UTC, weeks on Monday.
"""

from enum import StrEnum

from msgspec import Struct

from roost.errors import BadRequest

POINTS_MAX = 2000
TOP_MAX = 100


class Step(StrEnum):
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Measure(StrEnum):
    COUNT = "count"
    USERS = "users"


class Where(Struct, frozen=True):
    """A property that has to have this value; a text also finds the number or truth value that is
    written so."""

    property: str
    value: str


class Filter(Struct, frozen=True):
    since_ms: int
    until_ms: int
    name: str | None = None
    user: str | None = None
    where: tuple[Where, ...] = ()


class Series(Struct, frozen=True, tag="series"):
    of: Filter
    step: Step = Step.DAY
    measure: Measure = Measure.COUNT


class Breakdown(Struct, frozen=True, tag="breakdown"):
    """By the values of a property; None is by user."""

    of: Filter
    property: str | None
    measure: Measure = Measure.COUNT
    top: int = 10


class Users(Struct, frozen=True, tag="users"):
    """Unique users of the whole time, and of each step."""

    of: Filter
    step: Step = Step.DAY


class Names(Struct, frozen=True, tag="names"):
    """All names; with `name`, that one and its properties."""

    name: str | None = None


Question = Series | Breakdown | Users | Names


class Point(Struct, frozen=True):
    """`at` is when the step begins, in seconds since the epoch."""

    at: int
    value: int


class SeriesAnswer(Struct, frozen=True, tag="series"):
    step: Step
    measure: Measure
    points: list[Point]


class Part(Struct, frozen=True):
    """`value` is the property's, None where an event has none; for users their id. `anonymous`
    says that it is the id of somebody who has not signed in."""

    value: object
    count: int
    users: int
    anonymous: bool = False


class Rest(Struct, frozen=True):
    """What the parts do not show; `values` is how many different ones that are."""

    count: int
    users: int
    values: int


class BreakdownAnswer(Struct, frozen=True, tag="breakdown"):
    parts: list[Part]
    other: Rest


class UsersAnswer(Struct, frozen=True, tag="users"):
    total: int
    step: Step
    points: list[Point]


class NameRow(Struct, frozen=True):
    name: str
    count: int
    last_day: str


class PropertyRow(Struct, frozen=True):
    """By the latest events: in how many of them it stands, and some of its values."""

    property: str
    count: int
    examples: list[object]


class NamesAnswer(Struct, frozen=True, tag="names"):
    names: list[NameRow]
    properties: list[PropertyRow]
    looked_at: int
    """So many of the latest events were looked at for properties."""


Answer = SeriesAnswer | BreakdownAnswer | UsersAnswer | NamesAnswer


def check(question: Question) -> None:
    """BadRequest where it asks for nothing or for too much."""
    if isinstance(question, Names):
        return
    if question.of.since_ms >= question.of.until_ms:
        raise BadRequest("`since` must lie before `until`.")
    if isinstance(question, Breakdown) and not 1 <= question.top <= TOP_MAX:
        raise BadRequest(f"`top` is 1 to {TOP_MAX}.")
