"""Roost's own small answers: JSON, HTML pages, redirects. All private, none cached."""

from collections.abc import Mapping

import msgspec

from roost.http.call import Call

COMMON: tuple[tuple[bytes, bytes], ...] = (
    (b"cache-control", b"private, no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


async def answer(
    call: Call, status: int, kind: str, body: bytes, more: Mapping[str, str] | None = None
) -> None:
    headers = [
        *COMMON,
        (b"content-type", kind.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.encode(), value.encode("latin-1")) for name, value in (more or {}).items()),
    ]
    await call.send({"type": "http.response.start", "status": status, "headers": headers})
    await call.send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else body})


async def answer_json(call: Call, value: object, status: int = 200) -> None:
    await answer(call, status, "application/json", msgspec.json.encode(value))


async def redirect(call: Call, location: str, more: Mapping[str, str] | None = None) -> None:
    """303: the next request is a GET, whatever this one was."""
    await answer(call, 303, "text/plain", b"", {"location": location, **(more or {})})
