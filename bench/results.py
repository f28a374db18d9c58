"""What a run has found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bench.questions import Group
from bench.timing import Timing, ratio


@dataclass(frozen=True, slots=True)
class Row:
    """`phoenix` is None where it was not asked. Bytes are of the last answer, as it came over the
    wire; `agreed` is the share of ids that both sides gave, nan where there is nothing to compare.
    """

    name: str
    group: Group
    roost: Timing
    index: Timing
    phoenix: Timing | None
    roost_bytes: int
    phoenix_bytes: int
    agreed: float

    @property
    def ratio(self) -> float:
        """How many times as long Phoenix takes, by the median."""
        return ratio(self.phoenix.p50_ms, self.roost.p50_ms) if self.phoenix else math.nan

    @property
    def cpu_ratio(self) -> float:
        """The same, by the servers' CPU."""
        return ratio(self.phoenix.cpu_ms, self.roost.cpu_ms) if self.phoenix else math.nan

    @property
    def least_ratio(self) -> float:
        """By time or by CPU, whichever says less."""
        return min(
            (self.ratio, self.cpu_ratio), key=lambda one: math.inf if math.isnan(one) else one
        )


@dataclass(frozen=True, slots=True)
class Results:
    """`spans` is what was asked for; the three big traces come on top."""

    spans: int
    traces: int
    rows: Sequence[Row]

    def of(self, *groups: Group) -> list[Row]:
        return [row for row in self.rows if row.group in groups]

    @property
    def has_phoenix(self) -> bool:
        return any(row.phoenix for row in self.rows)
