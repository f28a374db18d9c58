"""The forward proxy that all HTTP of a cell goes through.

Own code on asyncio and h11, since no proxy library (proxy.py, pproxy, mitmproxy) connects to the
very address that was judged. Rule 1: what is connected is what was judged: the request is parsed,
judged and written anew, a name is resolved once. Rule 2: one request a connection, so that none
rides on the judgement of another. Rule 3: the log says who reached which host and how much went
through, never a path, a query or a header.

A tunnel is opaque: behind an allowed host and port the proxy does not see what is said.
"""

import asyncio
import base64
import binascii
import hmac
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import h11

from roost.cells.egress_dial import CHUNK_BYTES, Dialler
from roost.cells.egress_relay import Traffic, Wire, exchange, outgoing, tunnel
from roost.cells.egress_rules import EgressRules, Refused, Target, connect_target, plain_target
from roost.errors import BadRequest, NotAllowed, NotSignedIn, RoostError, TooLarge
from roost.model import TenantId

DRAIN_S = 2.0

log = logging.getLogger(__name__)

PasswordOf = Callable[[TenantId], str | None]
"""The password of a cell, or None where there is no such cell."""


@dataclass(frozen=True, slots=True)
class EgressLimits:
    """`idle_timeout_s` is a silence both ways: models think for minutes before they answer."""

    head_bytes: int = 16_384
    head_timeout_s: float = 10.0
    connect_timeout_s: float = 10.0
    idle_timeout_s: float = 600.0
    tunnels_per_cell: int = 64
    connections: int = 1_024


class EgressProxy:
    """One for all cells of a keeper; each names itself by Basic credentials of its own."""

    def __init__(
        self,
        rules: EgressRules,
        password_of: PasswordOf,
        limits: EgressLimits | None = None,
        dialler: Dialler | None = None,
    ) -> None:
        self._rules = rules
        self._password_of = password_of
        self._limits = limits or EgressLimits()
        self._dialler = dialler or Dialler()
        self._open: Counter[str] = Counter()
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def serving(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
        """Listens until the block is left, and gives the port. Open tunnels are cut then."""
        server = await asyncio.start_server(self._accept, host, port, limit=CHUNK_BYTES)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            await self._cut_all()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self._limits.connections:
            log.warning("egress: more than %d connections", self._limits.connections)
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _cut_all(self) -> None:
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Supervises one connection: whatever goes wrong in it is the end of it alone."""
        state = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head_bytes)
        try:
            await self._handle(Wire(state, reader, writer))
        except Exception:
            log.exception("egress: a connection failed")
        finally:
            writer.close()

    async def _handle(self, caller: Wire) -> None:
        tenant = TenantId("")
        try:
            request = await self._head(caller)
            tenant = self._tenant(request)
            target, path = _target(request)
            with self._slot(tenant):
                await self._forward(caller, request, tenant, target, path)
        except RoostError as error:
            log.info("egress: %s refused %d: %s", tenant or "-", error.status, error.message)
            await _refuse(caller, error)
        except OSError as error:
            log.info("egress: %s broke off: %s", tenant or "-", type(error).__name__)
            caller.writer.transport.abort()

    async def _head(self, caller: Wire) -> h11.Request:
        try:
            async with asyncio.timeout(self._limits.head_timeout_s):
                event = await caller.next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                raise TooLarge("The request's head is too large", status=431) from None
            raise BadRequest("This is no HTTP proxy request") from None
        if not isinstance(event, h11.Request):
            raise ConnectionResetError
        return event

    def _tenant(self, request: h11.Request) -> TenantId:
        name, password = _credentials(request)
        tenant = TenantId(name)
        expected = self._password_of(tenant)
        same = hmac.compare_digest((expected or "").encode(), password.encode())
        if not expected or not same:
            raise NotSignedIn("This proxy is for Roost's cells only", status=407)
        return tenant

    @contextmanager
    def _slot(self, tenant: TenantId) -> Iterator[None]:
        if self._open[tenant] >= self._limits.tunnels_per_cell:
            raise RoostError("Too many open connections of this cell", status=429)
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1
            if not self._open[tenant]:
                del self._open[tenant]

    async def _forward(
        self, caller: Wire, request: h11.Request, tenant: TenantId, target: Target, path: str
    ) -> None:
        verdict = self._rules.judge(target)
        if isinstance(verdict, Refused):
            raise NotAllowed(verdict.message)
        streams = await self._dialler.dial(verdict, self._limits.connect_timeout_s)
        upstream = Wire(h11.Connection(h11.CLIENT), *streams)
        traffic = Traffic(self._limits.idle_timeout_s)
        started = asyncio.get_running_loop().time()
        try:
            async with traffic.watched():
                await _relay(caller, upstream, request, target, path, traffic)
        except OSError:
            upstream.writer.transport.abort()
            raise
        finally:
            upstream.writer.close()
            log.info(
                "egress: %s %s:%d sent=%d received=%d seconds=%.1f",
                tenant,
                target.host,
                target.port,
                traffic.sent,
                traffic.received,
                asyncio.get_running_loop().time() - started,
            )


async def _refuse(caller: Wire, error: RoostError) -> None:
    """Says why in the two places that clients show: the status line, all that is left of a refused
    CONNECT, and `error.message` of a JSON body, where model clients look."""
    if caller.state.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
        return
    shown = {"code": error.status, "message": error.message, "type": "egress_refused"}
    body = json.dumps({"error": shown}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    if error.status == 407:
        headers.append((b"proxy-authenticate", b'Basic realm="Roost egress"'))
    reason = error.message.encode("ascii", "replace")
    with suppress(OSError):
        await caller.send(h11.Response(status_code=error.status, headers=headers, reason=reason))
        await caller.send(h11.Data(data=body))
        await caller.send(h11.EndOfMessage())
        await _drain(caller)


async def _relay(
    caller: Wire,
    upstream: Wire,
    request: h11.Request,
    target: Target,
    path: str,
    traffic: Traffic,
) -> None:
    if not target.tunnel:
        await exchange(caller, upstream, outgoing(request, target, path), traffic)
        await _drain(caller)
        return
    if not isinstance(await caller.next_event(), h11.EndOfMessage):
        raise BadRequest("CONNECT has no body")
    await caller.send(h11.Response(status_code=200, headers=[], reason=b"Connected"))
    await tunnel(caller, upstream, traffic)


async def _drain(caller: Wire) -> None:
    """Reads what the caller is still sending: closing on unread bytes resets the connection, and
    the caller would lose the answer."""
    with suppress(OSError):
        caller.writer.write_eof()
        async with asyncio.timeout(DRAIN_S):
            for _ in range(64):
                if not await caller.reader.read(CHUNK_BYTES):
                    return


def _target(request: h11.Request) -> tuple[Target, str]:
    text = request.target.decode("ascii")
    try:
        if request.method == b"CONNECT":
            return connect_target(text), ""
        return plain_target(text)
    except ValueError as fault:
        raise BadRequest(f"The requested address {fault}") from None


def _credentials(request: h11.Request) -> tuple[str, str]:
    """Name and password of the first Proxy-Authorization, or two empty strings."""
    for key, value in request.headers:
        if key == b"proxy-authorization":
            scheme, _, encoded = value.partition(b" ")
            with suppress(binascii.Error, UnicodeDecodeError):
                text = base64.b64decode(encoded.strip(), validate=True).decode()
                name, _, password = text.partition(":")
                return (name, password) if scheme.lower() == b"basic" else ("", "")
    return "", ""
