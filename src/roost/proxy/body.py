"""A caller's body on its way to the cell, and what became of the caller.

Rule: a body that fits one message is bytes and can be sent again; a longer one is streamed, once,
as fast as the cell takes it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any, Self

from roost.errors import RoostError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SLICE_BYTES = 64 * 1024
GRACE_S = 0.05
"""Answers that come sooner need nobody to watch whether the caller is still there."""

_NO_BODY = frozenset({"GET", "HEAD", "OPTIONS"})


class CallerGone(ConnectionError):
    """The caller has hung up: nobody is there to be told anything."""


class RequestBody:
    """`data` is None (no body), bytes, or an iterator to be read once. `whole` is the body where it
    can be sent again. `failure` is what stopped the iterator, for its reader reports it garbled."""

    def __init__(self, data: bytes | AsyncIterator[bytes] | None) -> None:
        self.data = data
        self.failure: Exception | None = None
        self.read = asyncio.Event()

    @classmethod
    async def of(cls, method: str, judged: bytes | None, receive: Receive) -> Self:
        """Waits for the first message of a body that was not judged. Raises CallerGone, and what
        `receive` raises (a limit)."""
        if method in _NO_BODY or judged is not None:
            return cls._known(judged)
        first = await _chunk(receive)
        if not first.get("more_body"):
            return cls._known(first.get("body") or None)
        body = cls(None)
        body.data = body._stream(first, receive)
        return body

    @classmethod
    def _known(cls, data: bytes | None) -> Self:
        body = cls(data)
        body.read.set()
        return body

    @property
    def repeatable(self) -> bool:
        return self.data is None or isinstance(self.data, bytes)

    @property
    def whole(self) -> bytes | None:
        return self.data if isinstance(self.data, bytes) else None

    def payload(self) -> bytes | AsyncIterator[bytes] | None:
        """What the HTTP client is given: large bytes in slices, so that the loop is not held up."""
        if isinstance(self.data, bytes) and len(self.data) > SLICE_BYTES:
            return _slices(self.data)
        return self.data

    async def _stream(self, first: Message, receive: Receive) -> AsyncIterator[bytes]:
        message = first
        try:
            while True:
                if body := message.get("body"):
                    yield body
                if not message.get("more_body"):
                    return
                message = await _chunk(receive)
        # The HTTP client wraps it beyond recognition.
        except (RoostError, CallerGone) as failure:
            self.failure = failure
            raise
        finally:
            self.read.set()


class WhileCallerStays:
    """Runs the block until the caller hangs up; then cancels it, quietly."""

    def __init__(self, receive: Receive, body: RequestBody) -> None:
        self._receive = receive
        self._body = body
        self._is_gone = False
        self._watch: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("runs in a task")
        self._task = task
        # Cancellations that were under way before are not ours to end.
        self._cancelling = task.cancelling()
        self._timer = asyncio.get_running_loop().call_later(GRACE_S, self._begin)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        if not self._is_gone:
            return False
        is_ours = self._task.uncancel() <= self._cancelling
        return is_ours and kind is asyncio.CancelledError

    def _begin(self) -> None:
        self._watch = asyncio.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        await self._body.read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        self._task.cancel()


async def _chunk(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise CallerGone("hung up before the body's end")
    return message


async def _slices(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), SLICE_BYTES):
        yield data[start : start + SLICE_BYTES]
