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
        self._limit = asyncio.timeout(None)
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        self._timer = asyncio.get_running_loop().call_later(GRACE_S, self._begin)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        try:
            await self._limit.__aexit__(kind, error, trace)
        except TimeoutError:
            return self._limit.expired()
        return False

    def _begin(self) -> None:
        self._watch = asyncio.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        await self._body.read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._limit.reschedule(asyncio.get_running_loop().time())


async def _chunk(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise CallerGone("hung up before the body's end")
    return message


async def _slices(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), SLICE_BYTES):
        yield data[start : start + SLICE_BYTES]
