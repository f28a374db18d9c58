"""Calls that go on: each stands on a proof, and ends with it.

Rule: a stream is identified again every RECHECK_S from the proof it came with, and cut at once when
that proof is revoked. What was cut never looks like an end.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from roost.errors import NotSignedIn, RoostError
from roost.model import Principal, TenantId

RECHECK_S = 50.0
"""Less than a minute: a route and an identity are believed no longer."""
Recheck = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class OpenCalls:
    """The calls under way, by proof; and which tenants' cells they use."""

    recheck_s: float = RECHECK_S
    _tasks: dict[str, set["_Watched"]] = field(default_factory=lambda: defaultdict(set))
    _open: Counter[TenantId] = field(default_factory=Counter)
    _used: set[TenantId] = field(default_factory=set)

    @asynccontextmanager
    async def watched(self, principal: Principal, recheck: Recheck) -> AsyncIterator[None]:
        """Run the block for as long as the proof holds; `recheck` raises when it does not.

        NotSignedIn where the block was cut.
        """
        watched = _Watched(asyncio.current_task(), recheck, self.recheck_s)
        self._tasks[principal.proof_id].add(watched)
        self._open[principal.tenant.id] += 1
        watched.wind()
        try:
            yield
        except asyncio.CancelledError:
            if not watched.is_cut:
                raise
            raise NotSignedIn("This session has ended.", reason="cut: proof ended") from None
        finally:
            watched.stop()
            self._forget(principal, watched)

    def cut(self, proof_id: str) -> None:
        """That proof was revoked."""
        for watched in list(self._tasks.get(proof_id, ())):
            watched.cut()

    def take_used(self) -> set[TenantId]:
        """Whose cells are used now, or were since this was last asked."""
        used = self._used | set(self._open)
        self._used.clear()
        return used

    def _forget(self, principal: Principal, watched: "_Watched") -> None:
        same = self._tasks[principal.proof_id]
        same.discard(watched)
        if not same:
            del self._tasks[principal.proof_id]
        tenant_id = principal.tenant.id
        self._used.add(tenant_id)
        self._open[tenant_id] -= 1
        if not self._open[tenant_id]:
            del self._open[tenant_id]


class _Watched:
    def __init__(
        self, task: "asyncio.Task[object] | None", recheck: Recheck, every_s: float
    ) -> None:
        self._task = task
        self._recheck = recheck
        self._every_s = every_s
        self._timer: asyncio.TimerHandle | None = None
        self._checking: asyncio.Task[None] | None = None
        self.is_cut = False

    def wind(self) -> None:
        """A timer costs a call nothing; a task only those that last."""
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._begin)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._checking is not None:
            self._checking.cancel()

    def cut(self) -> None:
        self.is_cut = True
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._checking = asyncio.create_task(self._check())

    async def _check(self) -> None:
        try:
            await self._recheck()
        except RoostError:
            self.cut()
        else:
            self.wind()
