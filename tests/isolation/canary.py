"""Texts that belong to one tenant, and how to find them in whatever an answer is made of.

Rule: every text is another one, so what a caller sent itself is told apart from what it was told.
"""

import base64
import binascii
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}={0,2}")
_ESCAPE = re.compile(rb"\\u00([0-7][0-9a-fA-F])")
_DEPTH = 3
"""A Relay cursor holds a Relay id: base64 within base64."""


@dataclass(slots=True)
class Marks:
    """`owner` is a word of 12 letters that nothing else holds, nor its last six; each mark is new,
    and fit to be a name."""

    owner: str
    _count: int = 0

    def new(self, what: str = "text") -> str:
        self._count += 1
        return f"{what}-{self.owner}-{self._count:03d}"

    def trace_id(self) -> str:
        """32 hex digits that spell the owner and a number."""
        self._count += 1
        return (self.owner.encode() + self._count.to_bytes(4, "big")).hex()

    def span_id(self) -> str:
        self._count += 1
        return (self.owner[-6:].encode() + self._count.to_bytes(2, "big")).hex()


def marks_in(data: bytes, owner: str) -> set[str]:
    """The owner's marks (`owner-007`) in those bytes, also compressed, escaped, percent-encoded
    or in base64; of ids of traces and spans, the owner's letters."""
    word = owner.encode()
    mark = re.compile(rb"%b(?:-\d{3})?|%b" % (word, word[-6:]))
    return {found.decode() for layer in _layers(data, _DEPTH) for found in mark.findall(layer)}


def _layers(data: bytes, depth: int) -> Iterator[bytes]:
    """Those bytes, and all that they hold in other spellings."""
    plain = _inflated(data)
    yield plain
    yield unquote_to_bytes(plain)
    yield _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), plain)
    for run in re.findall(rb"(?:[0-9a-fA-F]{2}){6,}", plain):
        yield bytes.fromhex(run.decode())
    if depth:
        for run in set(_BASE64.findall(unquote_to_bytes(plain))):
            if decoded := _from_base64(run):
                yield from _layers(decoded, depth - 1)


def _inflated(data: bytes) -> bytes:
    for inflate in (gzip.decompress, zlib.decompress):
        try:
            return inflate(data)
        except (OSError, EOFError, zlib.error):
            continue
    return data


def _from_base64(run: bytes) -> bytes:
    """Whole groups of four; the rest of a run that is no base64 decodes to noise."""
    text = run.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error:
        return b""
