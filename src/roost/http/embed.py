"""`/embed/**`: what host pages import from Roost. Public, for it is the same for everybody.

Rule: only what ships with Roost is served, by its name; nothing of a path reaches the file system.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from roost.errors import NotFound
from roost.http.answers import PUBLIC_COMMON, send_answer
from roost.http.call import Call
from roost.http.routes import Match

SHORT = "public, max-age=300"
NAMES = frozenset({"live.js", "track.js"})


async def embedded(call: Call, match: Match) -> None:
    """The file, or 304 where the caller has it."""
    name = match.rest[-1] if len(match.rest) == 2 else ""
    if name not in NAMES:
        raise NotFound(reason="nothing of that name ships with Roost")
    body, etag = _file(name)
    headers = {"cache-control": SHORT, "etag": etag, "access-control-allow-origin": "*"}
    if call.header(b"if-none-match") == etag:
        await _send(call, 304, b"", headers)
        return
    await _send(call, 200, body, {**headers, "content-type": "text/javascript; charset=utf-8"})


async def _send(call: Call, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    await send_answer(call, status, body, headers, PUBLIC_COMMON)


@cache
def _file(name: str) -> tuple[bytes, str]:
    body = (files("roost") / "static" / name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
