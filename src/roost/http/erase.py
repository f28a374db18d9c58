"""From what a call deletes to tombstones in the home.

Rule: names and row ids are resolved before Phoenix deletes what they stand for; what is deleted is
named by ids that mean the same for ever.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from roost.cells.ledger import Node, relay_row
from roost.http.home import Home
from roost.index import places
from roost.log.records import Deletion
from roost.model import Tenant
from roost.policy.erasures import UNDELETABLE_PROJECT, Erased, Erasure

NameOf = Callable[[Tenant, Node, int], Awaitable[str | None]]
"""What a row id of the tenant's cell stands for."""
_HEX_CHARS = {Erased.TRACE: 32, Erased.SPAN: 16}
_NODES = {
    Erased.TRACE: Node.TRACE,
    Erased.SPAN: Node.SPAN,
    Erased.SESSION: Node.SESSION,
    Erased.PROJECT: Node.PROJECT,
    Erased.TRACES_OF_PROJECT: Node.PROJECT,
}


@dataclass(frozen=True, slots=True)
class Eraser:
    name_of: NameOf

    async def begin(self, home: Home, erasures: Sequence[Erasure], subject: str) -> int:
        """Hold back what they name; what to end it by, 0 where they name nothing."""
        await home.index.reached(home.log.extent.last)
        deletions = [
            deletion
            for erasure in erasures
            if (deletion := await self._deletion(home, erasure, subject)) is not None
        ]
        return await home.begin_erasing(deletions) if deletions else 0

    async def _deletion(self, home: Home, erasure: Erasure, subject: str) -> Deletion | None:
        name = await self._resolved(home.tenant, erasure)
        if name is None:
            return None
        match erasure.what:
            case Erased.TRACE:
                return Deletion(traces=(name,), subject=subject)
            case Erased.SPAN:
                return Deletion(spans=(name,), subject=subject)
            case Erased.SESSION:
                traces = await home.index.read(lambda db: places.traces_of_session(db, name))
                return Deletion(traces=tuple(traces), sessions=(name,), subject=subject)
            case Erased.PROJECT if name == UNDELETABLE_PROJECT:
                return None
            case Erased.PROJECT:
                return Deletion(project=name, subject=subject)
            case Erased.TRACES_OF_PROJECT:
                return await _of_project(home, name, erasure, subject)

    async def _resolved(self, tenant: Tenant, erasure: Erasure) -> str | None:
        """The id or name that the caller's means; None where it names nothing."""
        node = _NODES[erasure.what]
        if (row := relay_row(erasure.id, node)) is not None:
            return await self.name_of(tenant, node, row)
        length = _HEX_CHARS.get(erasure.what)
        if length is None:
            return erasure.id
        return erasure.id.lower() if _is_hex(erasure.id, length) else None


async def _of_project(home: Home, project: str, erasure: Erasure, subject: str) -> Deletion | None:
    """Everything that began before a time, or the very traces of an interval."""
    if not erasure.since or erasure.since <= 0:
        before = erasure.until
        if before is None:
            # All that is there, and the project stays.
            before = home.clock() + _ALL_S
        return Deletion(project=project, before=before, subject=subject)
    since, until = erasure.since, erasure.until or home.clock()
    traces = await home.index.read(lambda db: places.traces_between(db, project, since, until))
    return Deletion(traces=tuple(traces), subject=subject) if traces else None


_ALL_S = 10 * 365 * 86400.0


def _is_hex(text: str, length: int) -> bool:
    """
    >>> _is_hex("ab" * 8, 16), _is_hex("xy" * 8, 16), _is_hex("ab", 16)
    (True, False, False)
    """
    return len(text) == length and all(one in "0123456789abcdefABCDEF" for one in text)
