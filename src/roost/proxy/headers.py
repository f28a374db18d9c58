"""Which headers pass between a caller and a cell. Pure.

Rule: both directions are allow-lists of exact names. A spelling that no list has
(`X_Forwarded_For`, `authorization `) does not pass, so nothing has to be stripped by name.
"""

from collections.abc import Iterable, Mapping

from roost.policy.decision import Treatment

RawHeaders = Iterable[tuple[bytes, bytes]]

TO_CELL = {
    name.encode(): name
    for name in (
        "accept",
        "accept-encoding",
        "accept-language",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-type",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "last-event-id",
        "range",
        "user-agent",
    )
}
"""What Phoenix reads of a caller. Not among them: `Origin` and `Referer` (Phoenix answers 401 to
foreign ones, Roost has judged them), `x-project-name` (ingest stamps the project itself)."""

FROM_CELL = frozenset(
    name.encode()
    for name in (
        "accept-ranges",
        "allow",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-range",
        "content-type",
        "etag",
        "last-modified",
        "location",
        "x-phoenix-server-version",
        "x-vercel-ai-ui-message-stream",
    )
)
"""What a caller gets of a cell. Not among them: cookies, CORS, caching and `Server`."""

_REQUEST_NEVER: Mapping[Treatment, frozenset[bytes]] = {
    Treatment.PRIVATE: frozenset(),
    Treatment.ASSET: frozenset(),
    # A compressor between cell and caller would hold events back.
    Treatment.STREAM: frozenset({b"accept-encoding"}),
    # The page is rewritten, so it is asked for whole and as plain text.
    Treatment.PAGE: frozenset(
        {b"accept-encoding", b"range"} | {name for name in TO_CELL if name.startswith(b"if-")}
    ),
}

_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))
_NO_SCRIPT = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_BY_CALLER = (b"vary", b"Accept-Encoding, Authorization, Cookie")
_ADDED: Mapping[Treatment, tuple[tuple[bytes, bytes], ...]] = {
    Treatment.PRIVATE: (
        *_ALWAYS,
        # An SVG or XML answer that is opened as a document runs no script in the host's origin.
        _NO_SCRIPT,
        _BY_CALLER,
        (b"cache-control", b"private, no-store"),
    ),
    Treatment.STREAM: (
        *_ALWAYS,
        _NO_SCRIPT,
        _BY_CALLER,
        (b"cache-control", b"private, no-store, no-transform"),
        (b"x-accel-buffering", b"no"),
    ),
    Treatment.PAGE: (*_ALWAYS, _BY_CALLER, (b"cache-control", b"private, no-store")),
    Treatment.ASSET: (
        *_ALWAYS,
        (b"vary", b"Accept-Encoding"),
        (b"cache-control", b"private, max-age=31536000, immutable"),
    ),
}


def to_cell(headers: RawHeaders, treatment: Treatment, token: str) -> dict[str, str]:
    """The caller's headers as the cell gets them, with that person's token.

    The first of repeated headers counts, as in Phoenix. A value that is not printable ASCII is
    dropped with its name.

    >>> to_cell([(b"Accept", b"*/*"), (b"cookie", b"a=b")], Treatment.PRIVATE, "t")
    {'accept': '*/*', 'authorization': 'Bearer t'}
    """
    never = _REQUEST_NEVER[treatment]
    passed: dict[str, str] = {}
    for raw, value in headers:
        lowered = raw.lower()
        if lowered == b"connection":
            never = never | _named(value)
        name = TO_CELL.get(lowered)
        if name is not None and name not in passed and lowered not in never:
            _take(passed, name, value)
    for gone in never:
        passed.pop(gone.decode("latin-1"), None)
    passed["authorization"] = f"Bearer {token}"
    return passed


def from_cell(headers: RawHeaders, treatment: Treatment) -> list[tuple[bytes, bytes]]:
    """The cell's headers as the caller gets them, in lower case, with what the treatment sets.

    An asset keeps its own Content-Security-Policy: Phoenix fences its script worker with it.
    """
    passed = []
    for raw, value in headers:
        name = raw.lower()
        if name in FROM_CELL or (
            treatment is Treatment.ASSET and name == b"content-security-policy"
        ):
            passed.append((name, value))
    passed.extend(_ADDED[treatment])
    return passed


def _take(passed: dict[str, str], name: str, value: bytes) -> None:
    text = value.decode("latin-1")
    if text.isascii() and text.isprintable():
        passed[name] = text


def _named(connection: bytes) -> frozenset[bytes]:
    """The headers that `Connection` declares to be of this hop alone."""
    return frozenset(part.strip().lower() for part in connection.split(b","))
