"""A call on another thread, waited for no longer than the caller is ready to."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from roost.errors import Unavailable

T = TypeVar("T")
_SLOW = "The log of this tenant did not answer in time. Try again in a moment."


async def off_loop(threads: Executor | None, patience_s: float, act: Callable[[], T]) -> T:
    """What `act` returns on one of `threads`, else on the event loop's own. Unavailable after
    `patience_s`; what has begun runs on to its end."""
    try:
        async with asyncio.timeout(patience_s):
            return await asyncio.get_running_loop().run_in_executor(threads, act)
    except TimeoutError:
        raise Unavailable(_SLOW, reason=f"nothing within {patience_s} s", retry_after_s=5) from None
