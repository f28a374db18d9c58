"""How long to wait before something that failed is tried again.

Rule: pure but for the chance it is given; the caller waits, and tells what happened.
"""

from collections.abc import Callable
from dataclasses import dataclass

FIRST_S = 1.0
LONGEST_S = 60.0
WELL_AFTER_S = 60.0
"""What has run for so long is well: its next failure counts as the first."""
_MAX_DOUBLINGS = 10


@dataclass(slots=True)
class Backoff:
    """`chance` gives 0 to 1, so that many do not come back at one moment.

    >>> backoff = Backoff(chance=lambda: 1.0)
    >>> [backoff.failed(after_s=0) for _ in range(4)], backoff.failed(after_s=3600)
    ([0.0, 1.0, 2.0, 4.0], 0.0)
    """

    chance: Callable[[], float]
    _failures: int = 0

    def failed(self, *, after_s: float) -> float:
        """Seconds to wait: none after the first failure, then doubling, half of it by chance.
        `after_s` is how long it had run well."""
        self._failures = 1 if after_s >= WELL_AFTER_S else self._failures + 1
        if self._failures == 1:
            return 0.0
        whole = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures - 2, _MAX_DOUBLINGS))
        return whole * (0.5 + 0.5 * self.chance())
