"""How many calls somebody may make. Rule: counted in this process, by whoever the caller names."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from roost.errors import Unavailable


class Rate:
    """At most `per_minute` calls of one name in any minute."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._window = MovingWindowRateLimiter(MemoryStorage())

    def check(self, who: str) -> None:
        """`who` is a proof's id or a peer. Unavailable with 429 and how long to wait."""
        if self._window.hit(self._item, who):
            return
        free_at = self._window.get_window_stats(self._item, who).reset_time
        raise Unavailable(
            f"More than {self._item.amount} calls a minute; wait a little.",
            reason=f"over the rate: {who}",
            status=429,
            retry_after_s=max(1, math.ceil(free_at - time.time())),
        )
