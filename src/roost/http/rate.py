"""How many calls somebody may make. Rule: counted in this process, by whoever the caller names.

The window moves: of the minute before, that part counts which still lies within the last 60 s.
Its own few lines, for the `limits` package starts a thread every 10 ms under load, which cost
a forwarded call 110 µs of 670.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from roost.errors import Unavailable

WINDOW_S = 60.0
NAMES_MAX = 100_000
"""Names counted at a time. Beyond it all counts start anew, which lets somebody through sooner."""


@dataclass(slots=True)
class Rate:
    """At most `per_minute` calls of one name in a minute. `clock` in seconds, never going back."""

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    _window: int = 0
    _now: dict[str, int] = field(default_factory=dict)
    _before: dict[str, int] = field(default_factory=dict)

    def check(self, who: str) -> None:
        """`who` is a proof's id or a peer. Unavailable with 429 and how long to wait."""
        window, passed = divmod(self.clock(), WINDOW_S)
        if window != self._window:
            self._turn(int(window))
        count, before = self._now.get(who, 0), self._before.get(who, 0)
        if count + 1 + before * (1 - passed / WINDOW_S) > self.per_minute:
            raise self._refusal(who, count, before, passed)
        if count == 0 and len(self._now) >= NAMES_MAX:
            self._now.clear()
        self._now[who] = count + 1

    def _turn(self, window: int) -> None:
        self._before = self._now if window == self._window + 1 else {}
        self._now = {}
        self._window = window

    def _refusal(self, who: str, count: int, before: int, passed: float) -> Unavailable:
        free = self.per_minute - 1
        if count <= free:
            wait_s = WINDOW_S * (1 - (free - count) / before) - passed
        else:
            wait_s = WINDOW_S - passed + WINDOW_S * (1 - free / count)
        return Unavailable(
            f"More than {self.per_minute} calls a minute; wait a little.",
            reason=f"over the rate: {who}",
            status=429,
            retry_after_s=max(1, math.ceil(wait_s)),
        )
