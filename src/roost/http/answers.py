"""Roost's own small answers: JSON, HTML pages, redirects. All private, none cached, but what is the
same for everybody."""

from collections.abc import Mapping

import msgspec

from roost.http.call import Call, Headers

COMMON: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"private, no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


PUBLIC_COMMON = tuple(one for one in COMMON if one[0] != b"cache-control")
"""Of what is the same for everybody: it says itself how long it is kept."""


async def answer(
    call: Call, status: int, kind: str, body: bytes, more: Mapping[str, str] | None = None
) -> None:
    await send_answer(call, status, body, {"content-type": kind, **(more or {})}, COMMON)


async def send_answer(
    call: Call, status: int, body: bytes, headers: Mapping[str, str], common: Headers
) -> None:
    told = [
        *common,
        (b"content-length", str(len(body)).encode()),
        *((name.encode(), value.encode("latin-1")) for name, value in headers.items()),
    ]
    await call.send({"type": "http.response.start", "status": status, "headers": told})
    await call.send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else body})


async def answer_json(call: Call, value: object, status: int = 200) -> None:
    await answer(call, status, "application/json", msgspec.json.encode(value))


async def redirect(call: Call, location: str, more: Mapping[str, str] | None = None) -> None:
    """303: the next request is a GET, whatever this one was."""
    await answer(call, 303, "text/plain", b"", {"location": location, **(more or {})})
