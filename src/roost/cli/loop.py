"""The event loop of what runs for long: uvloop, where it is there, takes less CPU a request."""

import asyncio
import importlib
import importlib.util
from collections.abc import Coroutine


def run(work: Coroutine[object, object, None]) -> None:
    """Until it ends."""
    factory = None
    if importlib.util.find_spec("uvloop") is not None:
        factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)
