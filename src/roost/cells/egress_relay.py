"""Carrying bytes between a cell and what it may reach, both ways at once.

Rule: nothing is held back or kept: what arrives is written on, as fast as the other side takes it.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import h11

from roost.cells.egress_dial import CHUNK_BYTES
from roost.cells.egress_rules import Target
from roost.errors import RoostError

ENDED = 0
"""The size of the chunk that is the end of a stream."""
HALF_CLOSED_S = 30.0
"""How long one direction may go on in silence once the other has ended."""

_HOP_BY_HOP = frozenset(
    b"connection keep-alive te trailer transfer-encoding upgrade expect host".split()
)

Headers = list[tuple[bytes, bytes]]


class Traffic:
    """What went through, in bytes, and the silence that ends it."""

    def __init__(self, idle_timeout_s: float) -> None:
        self.sent = 0
        self.received = 0
        self._idle_timeout_s = idle_timeout_s
        self._deadline = asyncio.timeout(idle_timeout_s)

    def watched(self) -> asyncio.Timeout:
        """A block that raises TimeoutError after too long a silence; for use once."""
        return self._deadline

    def count_sent(self, size: int) -> None:
        self.sent += size
        self._touch(size)

    def count_received(self, size: int) -> None:
        self.received += size
        self._touch(size)

    def _touch(self, size: int) -> None:
        if size == ENDED:
            self._idle_timeout_s = min(self._idle_timeout_s, HALF_CLOSED_S)
        if not self._deadline.expired():
            self._deadline.reschedule(asyncio.get_running_loop().time() + self._idle_timeout_s)


class Wire:
    """One side of an HTTP/1.1 exchange: h11's state, and the stream it reads and writes."""

    def __init__(
        self, state: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.state = state
        self.reader = reader
        self.writer = writer

    async def next_event(self) -> object:
        """An h11 event. Raises h11.RemoteProtocolError for what is no HTTP, and OSError."""
        while (event := self.state.next_event()) is h11.NEED_DATA:
            self.state.receive_data(await self.reader.read(CHUNK_BYTES))
        return event

    async def send(self, event: h11.Event) -> None:
        if data := self.state.send(event):
            self.writer.write(data)
            await self.writer.drain()


async def tunnel(caller: Wire, upstream: Wire, traffic: Traffic) -> None:
    """Bytes both ways until both sides have ended; a side that breaks off has ended too."""
    early, _ = caller.state.trailing_data
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(caller, upstream, traffic.count_sent, early))
            group.create_task(_pump(upstream, caller, traffic.count_received))
    except* OSError:
        pass


async def _pump(source: Wire, sink: Wire, count: Callable[[int], None], early: bytes = b"") -> None:
    data = early or await source.reader.read(CHUNK_BYTES)
    while data:
        sink.writer.write(data)
        count(len(data))
        await sink.writer.drain()
        data = await source.reader.read(CHUNK_BYTES)
    sink.writer.write_eof()
    count(ENDED)


async def exchange(caller: Wire, upstream: Wire, request: h11.Request, traffic: Traffic) -> None:
    """One plain HTTP request, `request` being what goes out, and its answer, bodies streamed.

    Raises RoostError (502) where no answer came; one that breaks off is cut off for the caller too.
    """
    try:
        async with asyncio.TaskGroup() as group:
            await upstream.send(request)
            upload = group.create_task(_upload(caller, upstream, traffic))
            await _download(upstream, caller, traffic)
            upload.cancel()
    except* (OSError, h11.ProtocolError):
        pass
    if caller.state.our_state is h11.SEND_RESPONSE:
        raise RoostError("The model endpoint gave no answer", status=502)


async def _upload(caller: Wire, upstream: Wire, traffic: Traffic) -> None:
    """The answer decides, so an upstream that has stopped reading is none of our concern."""
    if caller.state.they_are_waiting_for_100_continue:
        await caller.send(h11.InformationalResponse(status_code=100, headers=[]))
    with suppress(OSError):
        while isinstance(event := await caller.next_event(), h11.Data):
            traffic.count_sent(len(event.data))
            await upstream.send(h11.Data(data=event.data))
        await upstream.send(h11.EndOfMessage())


async def _download(upstream: Wire, caller: Wire, traffic: Traffic) -> None:
    while not isinstance(event := await upstream.next_event(), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            await caller.send(_incoming(event))
        elif isinstance(event, h11.Data):
            traffic.count_received(len(event.data))
            await caller.send(h11.Data(data=event.data))
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError
    await caller.send(h11.EndOfMessage())


def outgoing(request: h11.Request, target: Target, path: str) -> h11.Request:
    """The request as it goes out: written anew from what was judged."""
    host = target.entry.removeprefix("http://")
    headers = [(b"host", host.encode()), *_passed_on(request.headers), (b"connection", b"close")]
    return h11.Request(method=request.method, target=path.encode(), headers=headers)


def _incoming(response: h11.Response) -> h11.Response:
    headers = [*_passed_on(response.headers), (b"connection", b"close")]
    return h11.Response(status_code=response.status_code, headers=headers, reason=response.reason)


def _passed_on(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """All but hop-by-hop headers. A chunked body stays one, without a length beside it."""
    found = list(headers)
    named = {
        name.strip().lower()
        for key, value in found
        if key == b"connection"
        for name in value.split(b",")
    }
    kept = [
        (key, value)
        for key, value in found
        if key not in _HOP_BY_HOP | named and not key.startswith(b"proxy-")
    ]
    if any(key == b"transfer-encoding" for key, _ in found):
        kept = [pair for pair in kept if pair[0] != b"content-length"]
        kept.append((b"transfer-encoding", b"chunked"))
    return kept
