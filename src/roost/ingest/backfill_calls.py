"""Calls to somebody's Phoenix over HTTP, with their key.

Rule 1: the key goes to the address that was named and nowhere else: no redirect is followed.
Rule 2: what may pass is tried again with growing pauses; what will not is said at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from aiohttp import ClientError, ClientResponse, ClientSession
from yarl import URL

from roost.errors import BadRequest, NotAllowed, NotFound, RoostError, TooLarge, Unavailable

ANSWER_BYTES_MAX = 64 * 1024 * 1024
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)

Query = Sequence[tuple[str, str]]


def address_of(url: str) -> str:
    """Without a slash at its end.

    >>> address_of("https://phoenix.internal/base/")
    'https://phoenix.internal/base'
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise BadRequest(f"{url!r} is no address of a Phoenix: write it like http://phoenix:6006.")
    if parts.username is not None:
        raise BadRequest("Name the key with --key, not in the address.")
    return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class PhoenixCalls:
    """`waits` is told why a call is tried again."""

    session: ClientSession
    address: str
    key: str = field(repr=False)
    waits: Callable[[str], None]
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def version(self) -> str:
        """Unavailable or BadRequest where no Phoenix is there; not tried again."""
        body = (await self._once("GET", "/arize_phoenix_version")).decode(errors="replace").strip()
        if not body[:1].isdigit() or len(body) > 40:
            raise BadRequest(f"{self.address} is no Phoenix: it does not tell its version.")
        return body

    async def get(self, path: str, query: Query = ()) -> bytes:
        """JSON. NotFound, NotAllowed, BadRequest and TooLarge at once; Unavailable in the end."""
        whole = f"{path}?{urlencode(query)}" if query else path
        return await self._tried(lambda: self._json("GET", whole))

    async def _tried(self, call: Callable[[], Awaitable[bytes]]) -> bytes:
        for pause_s in PAUSES_S:
            try:
                return await call()
            except Unavailable as error:
                self.waits(error.message)
                await self.sleep(max(pause_s, error.retry_after_s))
        return await call()

    async def _json(self, method: str, path: str) -> bytes:
        body = await self._once(method, path)
        # Where Phoenix knows no such path, it answers with its page, and 200.
        if body[:1] not in (b"{", b"["):
            raise NotFound(f"{self.address} has no {path.partition('?')[0]}.")
        return body

    async def _once(self, method: str, path: str) -> bytes:
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        url = URL(self.address + path, encoded=True)
        try:
            async with self.session.request(
                method, url, headers=headers, allow_redirects=False
            ) as answer:
                body = await _read(answer)
        except (ClientError, TimeoutError, OSError) as error:
            raise Unavailable(
                f"{self.address} does not answer ({type(error).__name__}).", retry_after_s=0
            ) from None
        if answer.status == 200:
            return body
        raise _error(self.address, answer, body)


async def _read(answer: ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in answer.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            raise TooLarge(f"The answer is larger than {ANSWER_BYTES_MAX} bytes.")
    return b"".join(chunks)


def _error(address: str, answer: ClientResponse, body: bytes) -> RoostError:
    status = answer.status
    if status in (401, 403):
        return NotAllowed(
            f"{address} does not accept the key ({status}). Name one that may read with"
            " --key env:NAME or --key file:PATH: a Phoenix API key, or its admin secret."
        )
    if status == 404:
        return NotFound(f"{address} does not know {answer.url.path}.")
    if status == 429 or status >= 500:
        after = answer.headers.get("retry-after", "")
        pause_s = min(int(after), 300) if after.isdecimal() else 0
        return Unavailable(f"{address} answers with {status}.", retry_after_s=pause_s)
    if 300 <= status < 400:
        where = answer.headers.get("location", "")
        return BadRequest(f"{address} leads to {where!r}; give the address that it is really at.")
    said = body[:200].decode(errors="replace")
    return BadRequest(f"{address} refuses {answer.url.path} with {status}: {said}")
