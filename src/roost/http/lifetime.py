"""How long a keeper lives: until it is told to end, or until nobody needs it any more."""

import asyncio
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

LOOK_EVERY_S = 1.0


@dataclass(slots=True)
class Busy:
    """An ASGI app that knows whether it is needed. A gateway's watch is a call under way."""

    app: ASGIApp
    _calls: int = 0
    _since: float = field(default_factory=time.monotonic)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._calls += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._calls -= 1
            self._since = time.monotonic()

    def unused_s(self) -> float:
        """Seconds since the last call has ended; 0 while there is one."""
        return 0.0 if self._calls else time.monotonic() - self._since


def stop_signals(*, child: bool) -> asyncio.Event:
    """Set by SIGTERM and SIGINT; for a `child` also by the end of standard input, since its parent
    is gone then."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if child:
        loop.add_reader(sys.stdin.fileno(), stopping.set)
    return stopping


async def until_not_needed(stopping: asyncio.Event, busy: Busy, idle_after_s: float | None) -> None:
    """Until `stopping` is set, or nothing was asked for so long; None: however long."""
    look_every_s = min(LOOK_EVERY_S, (idle_after_s or LOOK_EVERY_S) / 2)
    while not stopping.is_set():
        if idle_after_s is not None and busy.unused_s() >= idle_after_s:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(look_every_s):
                await stopping.wait()
