"""The one place where errors become answers: RFC 9457, or a page for a browser's document.

Rule: an answer holds the error's message and nothing else of the inside; what else is known goes
to the log, under the id that an unexpected error's answer shows.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from html import escape

import msgspec

from roost.errors import NotSignedIn, RoostError, Unavailable
from roost.http.call import Message, Receive, Scope, Send, wants_page
from roost.http.pages import Page, html, policy

log = logging.getLogger("roost.problems")

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]

_COMMON = (
    (b"cache-control", b"private, no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Accept, Authorization, Cookie"),
)


class Problems:
    """Runs an app and answers for what it raises. After an answer has begun it raises on, so that
    the server cuts the connection; a refused socket is closed with 4000 plus the status."""

    def __init__(self, app: App, frame_ancestors: Sequence[str] = ("'none'",)) -> None:
        self._app = app
        self._ancestors = tuple(frame_ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if begun:
                raise
            await self._tell(_known(error), scope, send)

    async def _tell(self, error: RoostError, scope: Scope, send: Send) -> None:
        if error.reason:
            log.info("%s: %s", error.status, error.reason)
        if scope["type"] == "websocket":
            code = 4000 + error.status
            await send({"type": "websocket.close", "code": code, "reason": error.title})
            return
        status, headers, body = answer_to(error, scope, self._ancestors)
        if scope.get("method") == "HEAD":
            body = b""
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def answer_to(error: RoostError, scope: Scope, frame_ancestors: Sequence[str]) -> Answer:
    """Status, headers and body; a page where the browser loads a document, else JSON."""
    if wants_page(scope):
        kind, body = b"text/html; charset=utf-8", html(_page(error))
    else:
        kind, body = b"application/problem+json", msgspec.json.encode(_problem(error))
    headers = [
        *_COMMON,
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"content-security-policy", policy(frame_ancestors).encode("latin-1")),
    ]
    if isinstance(error, Unavailable) and error.retry_after_s:
        headers.append((b"retry-after", str(error.retry_after_s).encode()))
    if isinstance(error, NotSignedIn):
        headers.append((b"www-authenticate", b'Bearer realm="roost"'))
    return error.status, headers, body


def _known(error: Exception) -> RoostError:
    if isinstance(error, RoostError):
        return error
    number = secrets.token_hex(4)
    log.error("unexpected error %s", number, exc_info=error)
    return RoostError(f"Something went wrong in Roost; its log has it under {number}.")


def _problem(error: RoostError) -> dict[str, str | int]:
    return {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
    }


def _page(error: RoostError) -> Page:
    detail = "" if error.message == error.title else f"<p>{escape(error.message)}</p>"
    return Page(
        error.title,
        f'<main><div class="card"><h1>{escape(error.title)}</h1>{detail}</div></main>',
        refresh_s=(error.retry_after_s or None) if isinstance(error, Unavailable) else None,
    )
