"""Latencies as a histogram that can be added and subtracted: quantiles of any sum of hours.

Rule: a sketch is one integer of 512 lanes of 32 bits, lane i counting the latencies from
GAMMA^(i-1) to GAMMA^i microseconds. So adding sketches is adding integers, exactly, in any order,
and taking one out again is subtracting it. A quantile is within RELATIVE_ERROR of the true one, up
to 20 hours.
"""

import math
import sys
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

RELATIVE_ERROR = 0.025
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
LANES = 512
LANE_BYTES = 4
EMPTY = 0

_SCALE = 1 / math.log(GAMMA)


def one(latency_us: int) -> int:
    """The sketch of one latency; below a microsecond counts as one."""
    return 1 << (32 * lane_of(latency_us))


def lane_of(latency_us: int) -> int:
    """
    >>> lane_of(-5), lane_of(1), lane_of(2), lane_of(10**15)
    (0, 0, 14, 511)
    """
    if latency_us <= 1:
        return 0
    return min(math.ceil(math.log(latency_us) * _SCALE), LANES - 1)


def packed(sketch: int) -> bytes:
    """As it is stored: the first lane that counts, then the lanes up to the last."""
    if not sketch:
        return b""
    first = ((sketch & -sketch).bit_length() - 1) // 32
    lanes = sketch >> (32 * first)
    return first.to_bytes(2, "little") + lanes.to_bytes((lanes.bit_length() + 7) // 8, "little")


def unpacked(stored: bytes) -> int:
    if not stored:
        return EMPTY
    return int.from_bytes(stored[2:], "little") << (32 * int.from_bytes(stored[:2], "little"))


def quantiles(sketch: int, shares: Sequence[float]) -> list[float | None]:
    """In microseconds, each of `shares` between 0 and 1; None of an empty sketch.

    >>> [round(found) for found in quantiles(one(1000) + one(2000), [0.5, 0.9])]
    [1019, 1951]
    """
    if not sketch:
        return [None] * len(shares)
    first = ((sketch & -sketch).bit_length() - 1) // 32
    lanes = sketch >> (32 * first)
    stored = lanes.to_bytes((lanes.bit_length() + 31) // 32 * LANE_BYTES, sys.byteorder)
    counts = memoryview(stored).cast("I").tolist()
    reached = list(accumulate(counts if sys.byteorder == "little" else reversed(counts)))
    ranks = [max(1, math.ceil(share * reached[-1])) for share in shares]
    return [_middle(first + bisect_left(reached, rank)) for rank in ranks]


def _middle(lane: int) -> float:
    """Of the lane's two ends, so that neither is further than the error."""
    return 1.0 if lane == 0 else 2 * GAMMA**lane / (GAMMA + 1)
