"""The way to a cell and back, streamed both ways.

Rule: only a pass gets through `send`; what comes back is told to nobody until it is known to be
fit, and an answer that breaks off is never ended as if it were whole.
"""

import logging
import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import NoReturn

import aiohttp
from yarl import URL

from roost.errors import BadRequest, NotFound, Unavailable
from roost.policy.decision import Treatment
from roost.proxy.admitted import Admitted
from roost.proxy.body import CallerGone, Receive, RequestBody, Send, WhileCallerStays
from roost.proxy.headers import from_cell, to_cell
from roost.proxy.page import PageRules, dress
from roost.proxy.pools import Pools
from roost.proxy.rewrite import rewrite_location

log = logging.getLogger("roost.proxy")

MAX_PAGE_BYTES = 1024 * 1024
_TARGET = re.compile(r"/[!-~]*")
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STREAMS = ("text/event-stream", "multipart/mixed")


class Stale(Enum):
    """What of a route no longer holds."""

    TOKEN = "token"  # noqa: S105 (no token: the name of one)
    INSTANCE = "instance"


class RouteStale(Unavailable):
    """The route does not lead there any more, and nothing was told to the caller yet.

    Where `may_repeat`, the call may be sent `again` on a fresh route, with `body` (the caller's,
    which is read by now). Else the cell may have acted already, or the body is gone: then this is
    an answer like any Unavailable.
    """

    def __init__(self, what: Stale, *, may_repeat: bool, body: bytes | None, reason: str) -> None:
        super().__init__("Phoenix is restarting; try again.", reason=reason, retry_after_s=1)
        self.what = what
        self.may_repeat = may_repeat
        self.body = body


class BrokenOff(ConnectionError):
    """The cell's answer ended early, after its beginning was passed on. The server that runs Roost
    closes the connection for it, so that the caller sees a cut and no end."""


@dataclass(frozen=True, slots=True)
class Look:
    """What Phoenix's pages get beside what the pass says; see `PageRules`."""

    frame_ancestors: tuple[str, ...] = ("'self'",)
    sign_out: str = ""
    theme: str = ""


def again(admitted: Admitted, body: bytes | None) -> Admitted:
    """The same pass with the body that was read from the caller."""
    return replace(admitted, body=body)


class Upstream:
    """`silence_s` is how long a cell may send nothing, before its answer or in it; streams may
    for ever. Whoever makes one calls `close`."""

    def __init__(self, pools: Pools, look: Look, silence_s: float = 120.0) -> None:
        self._pools = pools
        self._look = look
        wait_s = pools.limits.connect_s
        self._patient = aiohttp.ClientTimeout(total=None, connect=wait_s)
        self._timeout = aiohttp.ClientTimeout(total=None, connect=wait_s, sock_read=silence_s)

    async def send(self, admitted: Admitted, receive: Receive, send: Send) -> None:
        """Forwards the call and answers it. Ends quietly when the caller hangs up.

        Raises RouteStale (ask for a fresh route, then perhaps again), NotFound, Unavailable, and
        what `receive` raises: all before anything was sent. Raises BrokenOff after that.
        """
        try:
            body = await RequestBody.of(admitted.method, admitted.body, receive)
            with WhileCallerStays(receive, body):
                async with await self._ask(admitted, body) as answer:
                    await self._answer(admitted, body, answer, send)
        except CallerGone:
            log.debug("the caller hung up in the middle of its body")

    async def forget(self, instance: str) -> None:
        """The instance is gone: so are its connections, and the answers under way break off."""
        await self._pools.forget(instance)

    async def close(self) -> None:
        await self._pools.close()

    async def _ask(self, admitted: Admitted, body: RequestBody) -> aiohttp.ClientResponse:
        treatment, route = admitted.allow.treatment, admitted.route
        # The page's policy is made from its scripts, so HEAD needs them as well.
        page_head = treatment is Treatment.PAGE and admitted.method == "HEAD"
        try:
            return await self._pools.to(route).request(
                "GET" if page_head else admitted.method,
                URL(route.address + _target(admitted), encoded=True),
                data=body.payload(),
                headers=_headers(admitted, body),
                allow_redirects=False,
                timeout=self._patient if treatment is Treatment.STREAM else self._timeout,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            _explain(error, admitted, body)

    async def _answer(
        self,
        admitted: Admitted,
        body: RequestBody,
        answer: aiohttp.ClientResponse,
        send: Send,
    ) -> None:
        _check(admitted, body, answer)
        treatment = admitted.allow.treatment
        kind = _content_type(answer)
        if kind == "text/html":
            if treatment is not Treatment.PAGE:
                # Phoenix answers its page to each path that it does not know.
                raise NotFound(reason="Phoenix answered its page: it knows no such path")
            await self._answer_page(admitted, answer, send)
            return
        if kind in _STREAMS:
            treatment = Treatment.STREAM
        elif treatment is Treatment.PAGE or (
            treatment is Treatment.ASSET and answer.status not in (200, 206, 304)
        ):
            treatment = Treatment.PRIVATE
        headers = from_cell(answer.raw_headers, treatment)
        if answer.status in _REDIRECTS:
            headers = _redirected(headers, admitted)
        await _pour(answer, headers, send)

    async def _answer_page(
        self, admitted: Admitted, answer: aiohttp.ClientResponse, send: Send
    ) -> None:
        page, policy = dress(await _whole(answer), self._rules(admitted))
        headers = [
            (name, value)
            for name, value in from_cell(answer.raw_headers, Treatment.PAGE)
            if name not in (b"content-length", b"etag", b"last-modified", b"accept-ranges")
        ]
        headers.append((b"content-length", str(len(page)).encode()))
        headers.append((b"content-security-policy", policy.encode("latin-1")))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send(
            {"type": "http.response.body", "body": b"" if admitted.method == "HEAD" else page}
        )

    def _rules(self, admitted: Admitted) -> PageRules:
        look = self._look
        return PageRules(
            frame_ancestors=look.frame_ancestors,
            space=admitted.principal.tenant.id,
            mount=admitted.mount,
            sign_out=look.sign_out,
            theme=look.theme,
        )


def _target(admitted: Admitted) -> str:
    target = f"{admitted.path}?{admitted.query}" if admitted.query else admitted.path
    if not _TARGET.fullmatch(target) or "#" in target:
        raise BadRequest("The path holds characters that must be percent-encoded.")
    return target


def _headers(admitted: Admitted, body: RequestBody) -> dict[str, str]:
    headers = to_cell(admitted.headers, admitted.allow.treatment, admitted.route.token)
    if body.repeatable:
        # It may have been serialised anew: the caller's length says nothing.
        headers.pop("content-length", None)
        if body.data is not None:
            headers["content-length"] = str(len(body.data))  # type: ignore[arg-type]
    if admitted.set_headers:
        headers.update((name.lower(), value) for name, value in admitted.set_headers.items())
    return headers


def _explain(
    error: aiohttp.ClientError | TimeoutError, admitted: Admitted, body: RequestBody
) -> NoReturn:
    """Raises what the failure to get an answer means for the caller."""
    if body.failure is not None:
        raise body.failure
    reason = f"{type(error).__name__} at {admitted.route.address}"
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        raise Unavailable("Phoenix is too busy; try again.", reason=reason) from error
    if isinstance(error, TimeoutError):
        raise Unavailable(
            "Phoenix did not answer in time.", reason=reason, retry_after_s=0, status=504
        ) from error
    refused = isinstance(error, aiohttp.ClientConnectorError)
    untouched = refused or admitted.method in _REPEATABLE
    raise RouteStale(
        Stale.INSTANCE,
        may_repeat=untouched and body.repeatable,
        body=body.whole,
        reason=reason,
    ) from error


def _check(admitted: Admitted, body: RequestBody, answer: aiohttp.ClientResponse) -> None:
    """Raises for answers that are Roost's to give: a token that is refused, a cell that fails."""
    status = answer.status
    if status == 401:
        raise RouteStale(
            Stale.TOKEN, may_repeat=body.repeatable, body=body.whole, reason="401 by the cell"
        )
    if status < 500:
        return
    reason = f"{status} by the cell to {admitted.method}"
    if status in (503, 507):
        raise Unavailable("Phoenix is overloaded; try again.", reason=reason, retry_after_s=5)
    log.warning("cell %s: %s", admitted.route.instance, reason)
    raise Unavailable("Phoenix failed at this call.", reason=reason, retry_after_s=0, status=502)


def _content_type(answer: aiohttp.ClientResponse) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _redirected(
    headers: list[tuple[bytes, bytes]], admitted: Admitted
) -> list[tuple[bytes, bytes]]:
    return [
        (name, _location(value, admitted) if name == b"location" else value)
        for name, value in headers
    ]


def _location(value: bytes, admitted: Admitted) -> bytes:
    location = rewrite_location(
        value.decode("latin-1"),
        asked=admitted.path,
        address=admitted.route.address,
        root=admitted.root,
        mount=admitted.mount,
    )
    if location is None:
        raise Unavailable(
            "Phoenix redirects to where Roost does not lead.",
            reason="redirect out of the mount",
            retry_after_s=0,
            status=502,
        )
    return location.encode("latin-1")


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    if answer.headers.get("content-encoding", "identity") == "identity":
        page = await answer.content.read(MAX_PAGE_BYTES)
        while len(page) <= MAX_PAGE_BYTES and (more := await answer.content.readany()):
            page += more
        if len(page) <= MAX_PAGE_BYTES:
            return page
    raise Unavailable("Phoenix answered with a page that Roost does not know.", status=502)


async def _pour(
    answer: aiohttp.ClientResponse, headers: list[tuple[bytes, bytes]], send: Send
) -> None:
    """Chunk by chunk: the next is read when the caller's connection has taken the last."""
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    content = answer.content
    more = True
    while more:
        try:
            chunk = await content.readany()
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("an answer broke off: %s", type(error).__name__)
            raise BrokenOff("the cell's answer broke off") from error
        more = not content.at_eof()
        await send({"type": "http.response.body", "body": chunk, "more_body": more})
