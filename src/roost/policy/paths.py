"""What a request's path and query say, parsed once.

Rule: what is judged is the parsed value, what is sent is its serialisation. The caller's own
bytes go no further than this module.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

MAX_PATH_BYTES = 4096
MAX_SEGMENT_BYTES = 1024
MAX_QUERY_BYTES = 16_384
MAX_QUERY_PAIRS = 512

# RFC 3986 pchar without "%": what a segment may hold unencoded.
_SEGMENT_SAFE = "-._~!$&'()*+,;=:@"
_QUERY_SAFE = "-._~!$'()*,:@/?"
_RAW_PATH = re.compile(rb"/(?:[!-\"$&->@-\[\]-~]|%[0-9A-Fa-f]{2})*")
_RAW_QUERY = re.compile(rb"(?:[!-\"$&-~]|%[0-9A-Fa-f]{2})*")
# What needs no look and has one spelling: most segments, names and values are nothing else.
_PLAIN = re.compile(rb"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")
_PLAIN_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*")
# C0, DEL and C1; then what a second decoding would turn into a dot, a slash, a backslash, a
# percent sign or a control character.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENCODED_TWICE = re.compile(r"%(?:2[eEfF5]|5[cC]|[01][0-9A-Fa-f]|7[fF])")


@dataclass(frozen=True, slots=True)
class Path:
    """`segments` are decoded; none is empty, a dot segment, or holds a slash. The empty segment
    behind a last slash is told apart: `/a/` is `("a",)` with `trailing_slash`."""

    segments: tuple[str, ...]
    trailing_slash: bool = False


def parse_path(raw: bytes) -> Path | None:
    """The path that ASGI's `raw_path` names, percent-decoded exactly once; None where two
    servers could read it differently: empty or dot segments, slash or backslash that is encoded,
    control characters, invalid UTF-8, stray percent signs, double encoding, over-long.

    >>> parse_path(b"/v1/projects/my%20app/spans").segments
    ('v1', 'projects', 'my app', 'spans')
    >>> parse_path(b"/v1/%2e%2e/users"), parse_path(b"/v1//users"), parse_path(b"/v1/a%2Fb")
    (None, None, None)
    """
    if len(raw) > MAX_PATH_BYTES or not _RAW_PATH.fullmatch(raw):
        return None
    parts = raw[1:].split(b"/")
    trailing = len(parts) > 1 and not parts[-1]
    if trailing or parts == [b""]:
        parts.pop()
    segments = tuple(map(_segment, parts))
    known = tuple(segment for segment in segments if segment is not None)
    return Path(known, trailing) if len(known) == len(segments) else None


def serialise(segments: tuple[str, ...]) -> str:
    """The one spelling of these segments; `parse_path` reads it back to the same.

    >>> serialise(("v1", "projects", "RHVtbXk6MQ==")), serialise(())
    ('/v1/projects/RHVtbXk6MQ==', '/')
    """
    return "/" + "/".join(
        segment if _PLAIN_SEGMENT.fullmatch(segment) else quote(segment, safe=_SEGMENT_SAFE)
        for segment in segments
    )


def canonical_query(raw: bytes) -> str | None:
    """The query string (without `?`) spelt anew, order and repeated names kept; None where it
    holds control characters other than tab, line feed and carriage return (filters may have
    lines), invalid UTF-8, stray percent signs or a raw `#`, or is over-long.

    >>> canonical_query(b"name=a%20b&name=c&flag&x=%3d"), canonical_query(b"a=%zz")
    ('name=a+b&name=c&flag&x=%3D', None)
    """
    if len(raw) > MAX_QUERY_BYTES or not _RAW_QUERY.fullmatch(raw):
        return None
    pairs = [pair for pair in raw.split(b"&") if pair]
    if len(pairs) > MAX_QUERY_PAIRS:
        return None
    spelt = [_pair(pair) for pair in pairs]
    known = [pair for pair in spelt if pair is not None]
    return "&".join(known) if len(known) == len(spelt) else None


def _segment(raw: bytes) -> str | None:
    if len(raw) > MAX_SEGMENT_BYTES:
        return None
    if _PLAIN.fullmatch(raw):
        return raw.decode("ascii")
    text = _decoded(raw)
    if text is None or text in ("", ".", ".."):
        return None
    if "/" in text or "\\" in text or _CONTROL.search(text) or _ENCODED_TWICE.search(text):
        return None
    return text


def _pair(raw: bytes) -> str | None:
    name, equals, value = raw.partition(b"=")
    spelt_name, spelt_value = _query_text(name), _query_text(value)
    if spelt_name is None or spelt_value is None:
        return None
    return f"{spelt_name}={spelt_value}" if equals else spelt_name


def _query_text(raw: bytes) -> str | None:
    if _PLAIN.fullmatch(raw):
        return raw.decode("ascii")
    text = _decoded(raw.replace(b"+", b" "))
    if text is None or _CONTROL.search(text.translate({9: None, 10: None, 13: None})):
        return None
    return quote(text, safe=_QUERY_SAFE + " ").replace(" ", "+")


def _decoded(raw: bytes) -> str | None:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None
