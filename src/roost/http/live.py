"""`/live`: what changes in a tenant, to whoever may see it, as an event stream or a WebSocket.

Rule 1: who watches is decided before the first frame, and again from the same proof at least once a
minute; a topic's user comes from the proof and never from the caller. Rule 2: a proof that has
ended is told (`expired`, 4401); a keeper that cannot be asked ends the stream without a word, and
its watcher comes back with the last id.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import parse_qsl

from roost.errors import BadRequest, NotAllowed, NotSignedIn, RoostError, Unavailable
from roost.http.background import beside
from roost.http.call import Call
from roost.http.gate import ONLY_SPANS
from roost.http.live_seats import Seats
from roost.http.live_socket import PROTOCOL, TOKEN_PROTOCOL, Socket
from roost.http.open_calls import OpenCalls
from roost.http.principal import PrincipalOf
from roost.http.routes import Match
from roost.live import frames
from roost.live.changes import Topic
from roost.live.channel import Watcher
from roost.live.frames import Frame
from roost.model import Principal, Role

EVENT_STREAM = "text/event-stream"
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    # Next.js compresses, and so keeps back, what does not forbid it; nginx buffers it.
    (b"cache-control", b"private, no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Accept, Authorization, Cookie"),
)
RETRY = b"retry: 2000\n\n"
ASK_AGAIN_S = 0.25


class Watching(Protocol):
    """`live.hub.Hub`."""

    def watching(self, topic: Topic) -> AbstractAsyncContextManager[Watcher]: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds. A watcher that takes nothing for `stall_s` is let go; a token is waited for
    `token_s`; a keeper may be away for `grace_s` while a proof is looked at again (with the time
    between two looks, less than a minute)."""

    stall_s: float = 30.0
    token_s: float = 5.0
    grace_s: float = 8.0


@dataclass(slots=True)
class Live:
    """`open_calls` are of the live view alone: they use no cell, so they keep none awake."""

    principal_of: PrincipalOf
    open_calls: OpenCalls
    hub: Watching
    seats: Seats = field(default_factory=Seats)
    patience: Patience = Patience()

    async def answer(self, call: Call, match: Match) -> None:
        """GET as an event stream, or the upgrade to a WebSocket."""
        if call.scope["type"] == "websocket":
            await self._socket(call, match)
        else:
            await self._stream(call, match)

    async def _stream(self, call: Call, match: Match) -> None:
        if EVENT_STREAM not in (call.header(b"accept") or ""):
            raise BadRequest(
                "This is a stream: ask with `Accept: text/event-stream`, or open a WebSocket.",
                status=406,
            )
        principal = await self.principal_of(call, match.tenant)
        topic = topic_of(principal, _project(call))
        if call.method == "HEAD":
            await _begin(call, more=False)
            return
        last_id = call.header(b"last-event-id") or ""
        with self.seats.taken(principal.proof_id):
            async with self.hub.watching(topic) as watcher:
                await _begin(call, more=True)
                with suppress(TimeoutError):  # the server cuts what has no end
                    await self._send(call, [watcher.hello(resuming=bool(last_id))], RETRY)
                    if last_id:
                        watcher.resume(last_id)
                    await self._events(call, principal, topic, watcher)

    async def _events(
        self, call: Call, principal: Principal, topic: Topic, watcher: Watcher
    ) -> None:
        proof = self._standing(call, principal, topic)
        try:
            async with proof.held(self.open_calls), beside(_until_gone(call, watcher)):
                while news := await watcher.next():
                    await self._send(call, news)
        except NotSignedIn:
            if not proof.is_unknown:
                await self._send(call, [frames.expired()])
        except Unavailable:
            pass  # it comes back with its last id
        await call.send({"type": "http.response.body", "body": b""})

    async def _send(self, call: Call, news: list[Frame], before: bytes = b"") -> None:
        body = before + b"".join([frame.event for frame in news])
        async with asyncio.timeout(self.patience.stall_s):
            await call.send({"type": "http.response.body", "body": body, "more_body": True})

    async def _socket(self, call: Call, match: Match) -> None:
        """Accepted before anything is known: a browser shows its page no refusal of an upgrade,
        but it does show how a socket was closed."""
        project = _project(call)
        socket = Socket(call, self.patience.stall_s, self.patience.token_s)
        await socket.accept()
        try:
            call, principal = await self._signed_in(socket, call, match)
            await self._frames(socket, call, principal, topic_of(principal, project))
        except RoostError as error:
            await socket.close(4000 + error.status, error.title)
        except OSError:
            pass  # the server's word for a client that is gone

    async def _signed_in(self, socket: Socket, call: Call, match: Match) -> tuple[Call, Principal]:
        """Who it is, by what came with the upgrade or by the first message; and the call with all
        that proves it."""
        if TOKEN_PROTOCOL not in socket.offered:
            try:
                return call, await self.principal_of(call, match.tenant)
            except NotSignedIn:
                if PROTOCOL in socket.offered or call.header(b"authorization") is not None:
                    raise
        with self.seats.waiting():
            token = await socket.token()
        bearer = (b"authorization", b"Bearer " + token.encode("latin-1", "replace"))
        call = replace(call, headers=(*call.headers, bearer))
        return call, await self.principal_of(call, match.tenant)

    def _standing(self, call: Call, principal: Principal, topic: Topic) -> "_Standing":
        return _Standing(self.principal_of, call, principal, topic, self.patience.grace_s)

    async def _frames(self, socket: Socket, call: Call, principal: Principal, topic: Topic) -> None:
        proof = self._standing(call, principal, topic)
        with self.seats.taken(principal.proof_id):
            async with self.hub.watching(topic) as watcher:
                try:
                    async with proof.held(self.open_calls), beside(socket.read(watcher)):
                        await socket.send([watcher.hello(resuming=False)])
                        while news := await watcher.next():
                            await socket.send(news)
                except NotSignedIn:
                    if proof.is_unknown:
                        raise Unavailable(reason="the keeper was away too long") from None
                    await socket.send([frames.expired()])
                    raise
                except TimeoutError:
                    return  # the server cuts what is not closed
        await socket.close()


def topic_of(principal: Principal, project: str | None) -> Topic:
    """What they may watch. NotAllowed for keys that only send spans, and for an end user whose
    proof says no user id: nothing would be theirs, and everything without one must not be."""
    if principal.role is None:
        raise NotAllowed(ONLY_SPANS, reason="a key that may only send spans")
    if principal.role > Role.END_USER:
        return Topic(principal.tenant.id, project)
    if not principal.user_id:
        raise NotAllowed(
            "Your session does not say which user you are in traces; the app's settings "
            "(user_id_claim) do.",
            reason="an end user without a user id",
        )
    return Topic(principal.tenant.id, project, principal.user_id)


def _project(call: Call) -> str | None:
    """The one parameter. BadRequest for any other, or two of it."""
    pairs = parse_qsl(call.query, keep_blank_values=True)
    if any(name != "project" for name, _ in pairs) or len(pairs) > 1:
        raise BadRequest("`/live` takes one parameter, `project`; leave it out for all projects.")
    return pairs[0][1] if pairs else None


async def _begin(call: Call, *, more: bool) -> None:
    await call.send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
    if not more:
        await call.send({"type": "http.response.body", "body": b""})


async def _until_gone(call: Call, watcher: Watcher) -> None:
    while (await call.receive())["type"] != "http.disconnect":
        pass
    watcher.leave()


@dataclass(slots=True)
class _Standing:
    """The proof that a stream stands on."""

    principal_of: PrincipalOf
    call: Call
    principal: Principal
    topic: Topic
    grace_s: float
    is_unknown: bool = False
    """It could not be looked at again: the keeper was away."""

    @asynccontextmanager
    async def held(self, open_calls: OpenCalls) -> AsyncIterator[None]:
        async with open_calls.watched(self.principal, self._check):
            yield

    async def _check(self) -> None:
        """The proof still names the same person, who may still watch the same."""
        now = await self._again()
        same = (now.subject, topic_of(now, self.topic.project))
        if same != (self.principal.subject, self.topic):
            raise NotSignedIn(reason="no longer the same person, tenant or role")

    async def _again(self) -> Principal:
        """A keeper that has just been started again is waited for."""
        try:
            async with asyncio.timeout(self.grace_s):
                while True:
                    try:
                        return await self.principal_of(self.call, self.principal.tenant.slug)
                    except Unavailable:
                        await asyncio.sleep(ASK_AGAIN_S)
        except TimeoutError:
            self.is_unknown = True
            raise Unavailable(reason="the keeper was away too long") from None
