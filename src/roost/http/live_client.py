"""The gateway's side of the keeper's live feed.

Rule: a tenant that is not there is NotFound; all else that goes wrong is Unavailable, and whoever
follows comes back.
"""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import aiohttp
import msgspec

from roost.errors import NotFound, RoostError, Unavailable
from roost.http.keeper_client import CALL_TIMEOUT_S, HEARTBEAT_S
from roost.http.live_feed import FEED_PATH, LENGTH_BYTES, SINCE_PATH
from roost.live.changes import Missed, Place, Topic
from roost.live.messages import Follow, Line, Since, decode_line, encode
from roost.model import TenantId

LINE_BYTES_MAX = 64 * 1024 * 1024


class LiveClient:
    """Close it, or use it as a context manager. `feed` and `since` are what a `Hub` wants."""

    def __init__(self, socket: Path, silence_s: float = 3 * HEARTBEAT_S) -> None:
        self._silence_s = silence_s
        self._session = aiohttp.ClientSession(
            "http://keeper",
            connector=aiohttp.UnixConnector(path=str(socket), limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def __aenter__(self) -> "LiveClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def feed(self, tenant_id: TenantId) -> AsyncGenerator[Line, None]:
        """A tenant's changes from now on; ends where the keeper ends."""
        body = encode(Follow(tenant_id))
        timeout = aiohttp.ClientTimeout(total=None, sock_read=self._silence_s)
        try:
            async with self._session.post(FEED_PATH, data=body, timeout=timeout) as answer:
                if answer.status != 200:
                    raise _refused(answer.status)
                while (line := await _line(answer.content)) is not None:
                    yield line
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
            raise _broken(error) from error

    async def since(self, topic: Topic, after: Place, limit: int) -> Missed | None:
        """What a topic's watcher missed; None where it has to load anew."""
        question = Since(topic.tenant_id, after, limit, topic.project, topic.user)
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        try:
            async with self._session.post(
                SINCE_PATH, data=encode(question), timeout=timeout
            ) as answer:
                content = await answer.read()
                if answer.status != 200:
                    raise _refused(answer.status)
            return msgspec.msgpack.decode(content, type=Missed | None)
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
            raise _broken(error) from error


async def _line(content: aiohttp.StreamReader) -> Line | None:
    try:
        length = int.from_bytes(await content.readexactly(LENGTH_BYTES), "big")
        if length > LINE_BYTES_MAX:
            raise _broken(ValueError())
        line: Line = decode_line(await content.readexactly(length))
        return line
    except asyncio.IncompleteReadError:
        return None


def _refused(status: int) -> RoostError:
    if status == 404:
        return NotFound(reason="the keeper knows no such tenant")
    return _unavailable(f"keeper: {status}")


def _broken(error: BaseException) -> Unavailable:
    return _unavailable(f"keeper: {type(error).__name__}")


def _unavailable(reason: str) -> Unavailable:
    return Unavailable("The live view is not ready; try again.", reason=reason)
