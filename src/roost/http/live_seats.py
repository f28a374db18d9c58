"""How many may watch: in this process, by one proof, and without having said yet who they are.

Rule: every place is given back, and who finds none is told to come later, not to wait here.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from roost.errors import Unavailable

RETRY_AFTER_S = 15


@dataclass(slots=True)
class Seats:
    """`each` are one proof's: a person's tabs, or all that a key is used for."""

    total: int = 2000
    each: int = 200
    unnamed: int = 100
    _taken: Counter[str] = field(default_factory=Counter)
    _all: int = 0
    _waiting: int = 0

    @contextmanager
    def taken(self, proof_id: str) -> Iterator[None]:
        """One more watcher with that proof. Unavailable: 429 for theirs, 503 for everybody's."""
        if self._taken[proof_id] >= self.each:
            raise Unavailable(
                "Too many live views are open with this sign-in or key; close some.",
                reason="live views of one proof",
                retry_after_s=RETRY_AFTER_S,
                status=429,
            )
        if self._all >= self.total:
            raise _full("live views of this gateway")
        self._taken[proof_id] += 1
        self._all += 1
        try:
            yield
        finally:
            self._all -= 1
            self._taken[proof_id] -= 1
            if not self._taken[proof_id]:
                del self._taken[proof_id]

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A socket whose token is still to come."""
        if self._waiting >= self.unnamed:
            raise _full("sockets without a token")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


def _full(reason: str) -> Unavailable:
    return Unavailable(
        "Too many live views are open; try again soon.",
        reason=reason,
        retry_after_s=RETRY_AFTER_S,
    )
