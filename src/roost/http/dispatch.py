"""From the raw request to the endpoint that answers it: guard, path, row, endpoint.

Rule: nothing is answered before the guard has passed it, and what no row names is 404.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from roost.errors import BadRequest, NotFound, RoostError
from roost.http.call import Call, Receive, Scope, Send
from roost.http.guard import Guard, limited
from roost.http.peer import peer_of
from roost.http.routes import ALWAYS_ON, Endpoint, Match, match
from roost.http.watch import Watch
from roost.policy.paths import Path, canonical_query, parse_path

Answer = Callable[[Call, Match], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """`base_path` is where Roost is said to be when no host mounts it; `enabled` is this gateway's
    own setting, whatever those of a keeper that started earlier."""

    base_path: str
    guard: Guard
    watch: Watch
    enabled: bool
    endpoints: Mapping[Endpoint, Answer]
    max_body_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.guard.check(scope)
        call = self._call(scope, receive, send)
        found = match(call.method, call.segments)
        if found is None:
            raise NotFound(reason="no row names this path")
        if scope["type"] == "websocket" and found.endpoint is not Endpoint.LIVE:
            raise NotFound(reason="no sockets here")
        if found.endpoint is not Endpoint.HEALTH:
            await self._refuse_when_unfit(call.base, found.endpoint)
        await self.endpoints[found.endpoint](call, found)

    def _call(self, scope: Scope, receive: Receive, send: Send) -> Call:
        base, path = _below(scope, self.base_path)
        query = canonical_query(scope["query_string"])
        if query is None:
            raise BadRequest("The query string is not in order: UTF-8, percent-encoded.")
        headers = tuple((name.lower(), value) for name, value in scope["headers"])
        is_upgrade = scope["type"] == "websocket"
        return Call(
            method=scope.get("method", "GET"),  # an upgrade is one
            base=base,
            segments=path.segments,
            trailing_slash=path.trailing_slash,
            query=query,
            headers=headers,
            peer=peer_of(scope),
            receive=receive if is_upgrade else limited(receive, headers, self.max_body_bytes),
            send=send,
            scope=scope,
        )

    async def _refuse_when_unfit(self, base: str, endpoint: Endpoint) -> None:
        """Off means that nothing is there, but spans are taken."""
        await self.watch.ready()
        if base != self.watch.base_path:
            raise RoostError(
                f"This Roost is mounted at {base}, but its data directory belongs to one at "
                f"{self.watch.base_path}: mount it there.",
                reason="base path",
            )
        if not (self.enabled and self.watch.enabled) and endpoint not in ALWAYS_ON:
            raise NotFound(reason="switched off")


def _below(scope: Scope, base_path: str) -> tuple[str, Path]:
    """The base path, and the path below it. A host that mounts Roost says where by `root_path`."""
    base = scope.get("root_path") or base_path
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    prefix = base.encode()
    if raw != prefix and not raw.startswith(prefix + b"/"):
        raise NotFound(reason="not below the base path")
    path = parse_path(raw[len(prefix) :] or b"/")
    if path is None:
        raise BadRequest("The path is not in order: plain segments, percent-encoded once.")
    return base, path
