"""A WebSocket of the live view: how it begins, what a client may say, how it ends.

Rule: a client says `{"token": …}` where it could send no header, and `{"type": "resume", "id": …}`
once. Whatever else it says ends the socket: 1003 for bytes, 1009 for too much, 1008 for the rest.
"""

import asyncio
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from roost.errors import NotSignedIn
from roost.http.call import Call
from roost.live.channel import Watcher
from roost.live.frames import Frame

PROTOCOL = "roost.live"
"""Offered by who has no token to send."""
TOKEN_PROTOCOL = "roost.live.token"  # noqa: S105 (a subprotocol's name)
"""Offered by who sends a token first, whatever cookies the browser adds. Without either, one is
waited for where nothing else says who it is."""
PROTOCOLS = (TOKEN_PROTOCOL, PROTOCOL)
MESSAGE_BYTES_MAX = 8192
NORMAL, NO_BYTES, NOT_ALLOWED, TOO_LARGE = 1000, 1003, 1008, 1009


class Token(Struct, frozen=True, forbid_unknown_fields=True):
    token: str


class Resume(Struct, frozen=True, tag="resume", forbid_unknown_fields=True):
    id: str


@dataclass(slots=True)
class Socket:
    """`fault` is what the client did wrong: a code, and what it is called."""

    call: Call
    stall_s: float
    token_timeout_s: float
    fault: tuple[int, str] | None = field(default=None, init=False)
    _is_gone: bool = field(default=False, init=False)

    @property
    def offered(self) -> list[str]:
        return list(self.call.scope.get("subprotocols", ()))

    async def accept(self) -> None:
        await self.call.receive()  # ASGI's first message: somebody asks
        chosen = next((name for name in PROTOCOLS if name in self.offered), None)
        await self.call.send({"type": "websocket.accept", "subprotocol": chosen})

    async def token(self) -> str:
        """The token of the first message. NotSignedIn where none comes in time."""
        try:
            async with asyncio.timeout(self.token_timeout_s):
                said = await self._said()
        except TimeoutError:
            raise _no_token("no token in time") from None
        if said is None:
            raise _no_token("gone, or not in order, before a token")
        try:
            return msgspec.json.decode(said, type=Token).token
        except msgspec.DecodeError:
            raise _no_token("the first message is no token") from None

    async def read(self, watcher: Watcher) -> None:
        """All that the client says, until it is gone or at fault; the watcher leaves then."""
        resumed = False
        while (said := await self._said()) is not None:
            try:
                resume = msgspec.json.decode(said, type=Resume)
            except msgspec.DecodeError:
                self.fault = (NOT_ALLOWED, "not understood")
                break
            if resumed:
                self.fault = (NOT_ALLOWED, "resumed twice")
                break
            watcher.resume(resume.id)
            resumed = True
        watcher.leave()

    async def send(self, news: list[Frame]) -> None:
        """TimeoutError where the client takes nothing; an OSError where it is gone."""
        async with asyncio.timeout(self.stall_s):
            for frame in news:
                await self.call.send({"type": "websocket.send", "text": frame.text})

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Says the client's fault instead, where there is one."""
        if self._is_gone:
            return
        self._is_gone = True
        code, reason = self.fault or (code, reason)
        await self.call.send({"type": "websocket.close", "code": code, "reason": reason})

    async def _said(self) -> str | None:
        message = await self.call.receive()
        if message["type"] != "websocket.receive":
            self._is_gone = True
            return None
        text = message.get("text")
        if text is None:
            self.fault = (NO_BYTES, "text only")
        elif len(text) > MESSAGE_BYTES_MAX:
            self.fault = (TOO_LARGE, "too large")
        else:
            return str(text)
        return None


def _no_token(reason: str) -> NotSignedIn:
    return NotSignedIn("Send a token first.", reason=reason)
