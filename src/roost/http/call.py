"""One HTTP request as the endpoints see it: parsed once, judged from here on.

Rule: whatever is judged is read from a Call; the raw scope is for the server alone.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from roost.errors import BadRequest, TooLarge
from roost.identity.cookies import Cookies, parse_cookies

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Call:
    """`segments` are decoded and below Roost's base path; `query` is canonical, without `?`.
    `peer` is the address that really connected; `base` is the URL path of Roost."""

    method: str
    base: str
    segments: tuple[str, ...]
    trailing_slash: bool
    query: str
    headers: Headers
    peer: str
    receive: Receive
    send: Send
    scope: Scope

    def header(self, name: bytes) -> str | None:
        """The one value of that header. BadRequest where it is given twice: which one counts
        would be a guess."""
        values = [value for key, value in self.headers if key == name]
        if len(values) > 1:
            raise BadRequest(f"The header {name.decode()} is given more than once.")
        return values[0].decode("latin-1") if values else None

    @cached_property
    def cookies(self) -> Cookies:
        """(name, value) in the order they were sent; duplicates stay."""
        return parse_cookies(
            value.decode("latin-1") for name, value in self.headers if name == b"cookie"
        )

    @property
    def wants_page(self) -> bool:
        return wants_page(self.scope)

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body, for calls that must be judged by it. TooLarge above the limit."""
        chunks, size = [], 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise BadRequest("The request ended before its body did.", reason="disconnected")
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit_bytes:
                raise TooLarge(f"The body is larger than {limit_bytes} bytes.")
            chunks.append(chunk)
            if not message.get("more_body"):
                return b"".join(chunks)


def wants_page(scope: Scope) -> bool:
    """A document that somebody looks at, a form's answer too, as opposed to a call by a script."""
    headers = dict(scope["headers"])
    if destination := headers.get(b"sec-fetch-dest"):
        return destination in (b"document", b"iframe", b"frame")
    return scope.get("method") in ("GET", "HEAD") and b"text/html" in headers.get(b"accept", b"")
