"""The keeper's answer on its way out, byte by byte as it came.

Rule: nothing is kept by a shared cache; what carries an ETag may be kept by the caller's own, who
asks again each time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from aiohttp import ClientError, ClientResponse

from roost.http.api.openapi import Served
from roost.http.api.table import Row
from roost.http.background import beside
from roost.http.call import Call

CHUNK_BYTES = 64 * 1024
_SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Accept, Accept-Encoding, Authorization, Cookie"),
)
_NO_STORE = b"private, no-store"
_STREAM = b"private, no-store, no-transform"
_REVALIDATE = b"private, no-cache"
_PASSED = ("content-type", "content-length", "content-encoding", "etag")
_TAGS_MAX = 20


def etags(call: Call) -> list[str]:
    """Those that the caller holds. All of ours are weak, and a cache may have forgotten that."""
    return [_weak(one) for one in _listed(call, b"if-none-match")][:_TAGS_MAX]


def takes_gzip(call: Call) -> bool:
    """Whether `gzip` is listed, and not by `q=0`."""
    for one in _listed(call, b"accept-encoding"):
        name, _, quality = one.lower().replace(" ", "").partition(";")
        if name == "gzip":
            return quality not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _listed(call: Call, name: bytes) -> list[str]:
    """What a header lists, which may be given in several lines."""
    lines = [value.decode("latin-1") for key, value in call.headers if key == name]
    return [one.strip() for one in ",".join(lines).split(",") if one.strip()]


async def on(call: Call, answer: ClientResponse, row: Row) -> None:
    """Until its end, or until nobody reads it any more."""
    headers = [*_SAFE, (b"cache-control", _caching(row)), *_passed(answer)]
    await _begin(call, answer.status, headers)
    if call.method == "HEAD" or answer.status == 304:
        await _end(call)
        return
    reader = _Reader()
    async with beside(reader.watched(call, answer)):
        try:
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                await call.send({"type": "http.response.body", "body": chunk, "more_body": True})
        except ClientError:
            if not reader.is_gone:
                raise
            return
    await _end(call)


async def document(call: Call, what: Served) -> None:
    """What this module's gateway knows by itself: the OpenAPI document."""
    headers = [*_SAFE, (b"cache-control", _REVALIDATE), (b"etag", what.etag.encode())]
    if {what.etag, "*"} & set(etags(call)):
        await _begin(call, 304, headers)
        await _end(call)
        return
    headers.append((b"content-type", b"application/json"))
    headers.append((b"content-length", str(len(what.body)).encode()))
    await _begin(call, 200, headers)
    body = b"" if call.method == "HEAD" else what.body
    await call.send({"type": "http.response.body", "body": body})


@dataclass(slots=True)
class _Reader:
    is_gone: bool = False

    async def watched(self, call: Call, answer: ClientResponse) -> None:
        """Lets go of the keeper's answer once nobody reads it."""
        while (await call.receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        answer.close()


def _caching(row: Row) -> bytes:
    if row.streams:
        return _STREAM
    return _REVALIDATE if row.revalidated else _NO_STORE


def _passed(answer: ClientResponse) -> Iterator[tuple[bytes, bytes]]:
    for name in _PASSED:
        value = answer.headers.get(name)
        if value is not None and not (answer.status == 304 and name.startswith("content-")):
            yield name.encode(), value.encode("latin-1")


async def _begin(call: Call, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await call.send({"type": "http.response.start", "status": status, "headers": headers})


async def _end(call: Call) -> None:
    await call.send({"type": "http.response.body", "body": b""})


def _weak(tag: str) -> str:
    return tag if tag == "*" or tag.startswith("W/") else f"W/{tag}"
