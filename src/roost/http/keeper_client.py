"""The gateway's and the CLI's side of the keeper's socket.

An error over there is the same error here; a keeper that does not answer is Unavailable.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import aiohttp
import msgspec
from msgspec import Struct
from yarl import URL

from roost import errors
from roost.http import messages as m

CALL_TIMEOUT_S = 30.0
HEARTBEAT_S = 10.0
"""The keeper says something on a watch at least this often."""
ROUTE_GRACE_S = 30.0
"""A sign-in to the cell comes after the wait for it."""
EVENT_BYTES_MAX = 16 * 1024 * 1024
STREAM_BYTES = 128 * 1024

Answer = TypeVar("Answer")

_KINDS: dict[str, type[errors.RoostError]] = {
    kind.__name__: kind
    for kind in (
        errors.BadRequest,
        errors.NotSignedIn,
        errors.NotAllowed,
        errors.NotFound,
        errors.TooLarge,
    )
}


class KeeperClient:
    """Calls to one keeper. Close it, or use it as a context manager."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(socket), limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=EVENT_BYTES_MAX,
            # What the keeper has packed is passed on packed.
            auto_decompress=False,
        )

    async def __aenter__(self) -> "KeeperClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    async def ask(
        self,
        name: str,
        answer: type[Answer],
        question: Struct | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Answer:
        """POST one question; the answer decoded, or the keeper's error raised here."""
        body = b"" if question is None else msgspec.json.encode(question)
        content = await self._post(name, body, timeout_s)
        return msgspec.json.decode(content, type=answer)

    async def route(self, person: m.Person) -> m.Route | m.Waking:
        """The way to the tenant's cell for that person; waits as long as `person` says."""
        body = msgspec.json.encode(person)
        content = await self._post("cells/route", body, person.wait_s + ROUTE_GRACE_S)
        return msgspec.json.decode(content, type=m.Route | m.Waking)

    async def append(self, append: m.Append) -> m.Appended:
        """Hand records over; they are durable once this returns."""
        content = await self._post("append", msgspec.msgpack.encode(append), CALL_TIMEOUT_S)
        return msgspec.json.decode(content, type=m.Appended)

    async def _post(self, name: str, body: bytes, timeout_s: float) -> bytes:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        url = URL.build(scheme="http", host="keeper", path=f"/{name}")
        try:
            async with self._session.post(url, data=body, timeout=timeout) as response:
                content = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(error) from error
        if response.status >= 400:
            raise _error(response.status, content)
        return content

    @asynccontextmanager
    async def streamed(
        self, path: str, body: bytes, silence_s: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer to be passed on bit by bit, each within `silence_s`; the keeper's error, or
        Unavailable, is raised here, also where the answer breaks off in the block."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=silence_s)
        url = URL.build(scheme="http", host="keeper", path=path)
        try:
            async with self._session.post(
                url, data=body, timeout=timeout, read_bufsize=STREAM_BYTES
            ) as response:
                if response.status >= 400:
                    raise _error(response.status, await response.read())
                yield response
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(error) from error

    async def watch(self) -> AsyncIterator[m.Event]:
        """A snapshot, then what changes. Ends with Unavailable when the keeper falls silent."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=3 * HEARTBEAT_S)
        try:
            async with self._session.get("http://keeper/watch", timeout=timeout) as response:
                async for line in response.content:
                    yield msgspec.json.decode(line, type=m.Event)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _unreachable(error) from error


def _unreachable(error: BaseException) -> errors.Unavailable:
    return errors.Unavailable(
        "Roost's keeper does not answer. It may be starting; `roost doctor` on its machine "
        "tells more.",
        reason=f"keeper: {type(error).__name__}",
    )


def _error(status: int, content: bytes) -> errors.RoostError:
    """What the keeper raised; not its words alone, since a fault of its own has none."""
    try:
        refusal = msgspec.json.decode(content, type=m.Refusal)
    except msgspec.DecodeError:
        return errors.RoostError(
            "Roost's keeper failed at this; keeper.log in the data directory says why.",
            reason=f"keeper: {status}",
        )
    if refusal.kind == errors.Unavailable.__name__:
        return errors.Unavailable(
            refusal.message,
            reason=refusal.reason,
            status=refusal.status,
            retry_after_s=refusal.retry_after_s,
        )
    return _KINDS.get(refusal.kind, errors.RoostError)(
        refusal.message, reason=refusal.reason, status=refusal.status
    )


async def answers(socket: Path) -> bool:
    """Is there a keeper on that socket?"""
    try:
        async with asyncio.timeout(2):
            _, writer = await asyncio.open_unix_connection(str(socket))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
