"""What a question is: one screen's worth of answers, asked of each side in its own words."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from bench.phoenix_side import PhoenixSide
from bench.roost_side import RoostSide

from roost.index.queries import Queries


class Group(StrEnum):
    """What a question is judged by."""

    LIST = "list beside Phoenix"
    SESSIONS = "sessions"
    SORT = "unfiltered sort"
    EQUALITY = "filter for one value"
    OTHER = "other combination"
    TREE = "tree"
    USAGE = "usage"


@dataclass(frozen=True, slots=True)
class Question:
    """`roost` asks the whole way, `index` the home's index alone. Where a side answers with a list,
    it is of ids that both sides must agree on."""

    name: str
    group: Group
    roost: Callable[[RoostSide], object]
    index: Callable[[Queries], object]
    phoenix: Callable[[PhoenixSide], object] | None = None
