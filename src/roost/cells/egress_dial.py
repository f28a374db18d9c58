"""Opening the connection that was judged.

Rule: a name is resolved once, each address is judged, and only a judged address is connected: a
name that answers differently the second time gains nothing.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from roost.cells.egress_rules import Permit
from roost.errors import NotAllowed, RoostError

CHUNK_BYTES = 65_536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host, best first; raises OSError."""

Connect = Callable[[str, int], Awaitable[Streams]]
"""Opens a TCP connection to an address (never a name); raises OSError."""


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def connect_by_system(address: str, port: int) -> Streams:
    return await asyncio.open_connection(address, port, limit=CHUNK_BYTES)


@dataclass(frozen=True, slots=True)
class Dialler:
    resolve: Resolve = resolve_by_system
    connect: Connect = connect_by_system

    async def dial(self, permit: Permit, timeout_s: float) -> Streams:
        """The first of the host's permitted addresses that answers.

        Raises NotAllowed where it has no permitted one, RoostError (502) where none answers.
        """
        target = permit.target
        try:
            async with asyncio.timeout(timeout_s):
                found = await self.resolve(target.host, target.port)
                return await self._first(_permitted(permit, found), target.port)
        except OSError:
            raise RoostError(f"{target.host}:{target.port} does not answer", status=502) from None

    async def _first(self, addresses: Sequence[str], port: int) -> Streams:
        for address in addresses[:-1]:
            with suppress(OSError):
                return await self.connect(address, port)
        return await self.connect(addresses[-1], port)


def _permitted(permit: Permit, found: Sequence[str]) -> Sequence[str]:
    """At least one address."""
    if not found:
        raise OSError("the name has no address")
    permitted = [address for address in found if permit.reaches(address)]
    if not permitted:
        raise NotAllowed(
            f"{permit.target.host} is at an inner address; the operator may list"
            " that very host in egress_allow"
        )
    return permitted
