"""How long traces are kept: one policy, carried out as deletions in the log.

Rule: nothing is deleted here. A deletion is written, and index, cell and log follow it as they
follow everybody's.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from roost.log.records import Deletion

DAY_S = 86_400.0

Oldest = tuple[str, float]
"""A project, and when its oldest trace began, in seconds since the epoch."""


def expired(projects: Iterable[Oldest], before: float) -> list[Deletion]:
    """
    >>> [one.project for one in expired([("old", 10.0), ("new", 30.0)], 20.0)]
    ['old']
    """
    return [
        Deletion(project=name, before=before, subject="retention")
        for name, began in projects
        if began < before
    ]


@dataclass(frozen=True, slots=True)
class Retention:
    """`days` of 0 keep for ever. `oldest` lists the projects that have traces."""

    days: int
    oldest: Callable[[], Awaitable[Sequence[Oldest]]]
    delete: Callable[[Deletion], Awaitable[object]]
    clock: Callable[[], float]

    async def run_once(self) -> int:
        """How many projects had something that is too old."""
        if not self.days:
            return 0
        deletions = expired(await self.oldest(), self.clock() - self.days * DAY_S)
        for deletion in deletions:
            await self.delete(deletion)
        return len(deletions)
