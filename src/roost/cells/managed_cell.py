"""One managed cell: asleep, waking, up, stopping or failed, and how it goes from one to the next.

Rule: one task owns the process from its start to its end and is the only one to change the state,
but for `stop`, which ends that task.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from roost.cells.backoff import Backoff
from roost.cells.starter import Started
from roost.cells.states import Asleep, CellState, Failed, RunningCell, Stopping, Up, Waking
from roost.errors import Unavailable

Start = Callable[[Callable[[str], None]], AbstractAsyncContextManager[Started]]
"""`Starter.running` of one tenant."""
_FAILED = "Phoenix of this tenant could not be started. It is tried again in a moment."
_STOPPED = "Phoenix of this tenant was stopped."
_log = logging.getLogger(__name__)


class ManagedCell:
    """`make_room` is asked before a process is started, and may raise Unavailable. `on_change`
    hears every state as it begins, before anything follows from it."""

    def __init__(
        self,
        start: Start,
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
        make_room: Callable[[], None],
        on_change: Callable[[CellState], None],
    ) -> None:
        self._start = start
        self._clock = clock
        self._make_room = make_room
        self._on_change = on_change
        self._backoff = Backoff(chance)
        self._owner: asyncio.Task[None] | None = None
        self._arrival: asyncio.Future[RunningCell] | None = None
        self.state: CellState = Asleep()
        self.last_exit = ""
        """Why it last ended or failed by itself."""
        self.last_used = clock()
        self.holds = 0

    @property
    def is_owned(self) -> bool:
        """There is a process, or one is about to be."""
        return self._owner is not None and not self._owner.done()

    @property
    def counts(self) -> bool:
        """It takes one of the places for cells that are awake."""
        return self.is_owned and not isinstance(self.state, Stopping)

    async def wake(self) -> RunningCell:
        """The running cell; whoever arrives while it wakes waits for the same start.

        Unavailable while it waits to be tried again, or if the start fails.
        """
        self.last_used = self._clock()
        if isinstance(self.state, Up):
            return self.state.running
        if isinstance(self.state, Failed) and (wait_s := self.state.retry_at - self._clock()) > 0:
            raise Unavailable(
                _FAILED, reason=self.state.reason, retry_after_s=max(1, math.ceil(wait_s))
            )
        if isinstance(self.state, Stopping) and self._owner is not None:
            await asyncio.wait({self._owner})
        if not self.is_owned:
            self._make_room()
            self._owner = asyncio.create_task(self._live())
            self._owner.add_done_callback(self._ended)
        return await asyncio.shield(self._next_arrival())

    def begin_stop(self) -> None:
        """It counts as stopping from now on; `stop` waits for it."""
        if self._owner is None or not self.is_owned:
            self._enter(Asleep())
        elif not isinstance(self.state, Stopping):
            self._enter(Stopping(self._clock()))
            self._owner.cancel()

    async def stop(self) -> None:
        self.begin_stop()
        if self._owner is not None:
            await asyncio.wait({self._owner})

    @contextmanager
    def held(self) -> Iterator[None]:
        """In use until the block ends: not stopped for idleness, nor to make room."""
        self.holds += 1
        try:
            yield
        finally:
            self.holds -= 1
            self.last_used = self._clock()

    def unused_s(self) -> float:
        return 0.0 if self.holds else self._clock() - self.last_used

    async def _live(self) -> None:
        """Starts the cell, and again when it ends by itself; until it is stopped, or its start
        fails, after which only the next caller has it tried again."""
        try:
            while await self._live_once():
                pass
        except Exception as error:  # the supervisor: nobody may wait for ever
            _log.exception("a cell's supervisor failed")
            self._fail(f"{type(error).__name__}, see the keeper's log")
            self._refuse(Unavailable(_FAILED, reason=self.last_exit))

    def _ended(self, owner: "asyncio.Task[None]") -> None:
        """Stopped, perhaps before its first step."""
        if owner.cancelled():
            self._enter(Asleep())
            self._refuse(Unavailable(_STOPPED, retry_after_s=1))

    async def _live_once(self) -> bool:
        try:
            async with self._start(self._tell) as started:
                began = self._clock()
                self._enter(Up(started.running))
                self._answer(started.running)
                reason = await started.end()
                pause_s = self._fail(reason, after_s=self._clock() - began)
        except (Unavailable, OSError) as error:
            why = error.reason if isinstance(error, Unavailable) else str(error)
            pause_s = self._fail(why)
            self._refuse(Unavailable(_FAILED, reason=why, retry_after_s=max(1, round(pause_s))))
            return False
        await asyncio.sleep(pause_s)
        return True

    def _tell(self, phase: str) -> None:
        since = self.state.since if isinstance(self.state, Waking) else self._clock()
        self._enter(Waking(phase, since))

    def _fail(self, reason: str, *, after_s: float = 0.0) -> float:
        pause_s = self._backoff.failed(after_s=after_s)
        self.last_exit = reason
        _log.warning("a cell ended: %s; again in %.1f s", reason, pause_s)
        self._enter(Failed(reason, self._clock() + pause_s))
        return pause_s

    def _enter(self, state: CellState) -> None:
        if state != self.state:
            self.state = state
            self._on_change(state)

    def _next_arrival(self) -> "asyncio.Future[RunningCell]":
        if self._arrival is None:
            self._arrival = asyncio.get_running_loop().create_future()
        return self._arrival

    def _answer(self, running: RunningCell) -> None:
        if self._arrival is not None:
            self._arrival.set_result(running)
            self._arrival = None

    def _refuse(self, error: Unavailable) -> None:
        if self._arrival is not None:
            self._arrival.set_exception(error)
            self._arrival = None
