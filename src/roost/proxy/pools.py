"""Connections to cells. Rule: a pool belongs to one instance of one cell, and dies with it."""

import ssl
from dataclasses import dataclass

import aiohttp

from roost.model import CellRoute

AUTO_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp would add by itself: what goes to the cell is what `headers.py` says."""


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """`connections` a cell instance; `connect_s` to wait for one, new or free; `keep_alive_s` less
    than the cell's own (uvicorn's 5 s), or a request meets a connection that is just closing."""

    connections: int = 100
    connect_s: float = 10.0
    keep_alive_s: float = 3.0


class Pools:
    """`tls` is how attached cells are proved; None takes the machine's authorities."""

    def __init__(self, limits: PoolLimits, tls: ssl.SSLContext | None = None) -> None:
        self.limits = limits
        self._tls = tls
        self._sessions: dict[tuple[str, str], aiohttp.ClientSession] = {}

    def to(self, route: CellRoute) -> aiohttp.ClientSession:
        key = (route.address, route.instance)
        session = self._sessions.get(key)
        if session is None or session.closed:
            session = self._sessions[key] = self._open()
        return session

    async def forget(self, instance: str) -> None:
        """Closes every connection to that instance, also those in use."""
        for key in [key for key in self._sessions if key[1] == instance]:
            await self._sessions.pop(key).close()

    async def close(self) -> None:
        while self._sessions:
            await self._sessions.popitem()[1].close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self.limits.connections,
            keepalive_timeout=self.limits.keep_alive_s,
            ssl=self._tls or True,
        )
        return aiohttp.ClientSession(
            connector=connector,
            # A shared jar would replay one person's cookies for another.
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=AUTO_HEADERS,
        )
