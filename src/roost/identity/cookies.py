"""Cookies of a request as they came: every one, in order, and the chunks of a long one joined.

Rule: what is ambiguous is refused. A browser may send one name several times (another path,
another domain), and a mapping would keep whichever it met last.
"""

from collections.abc import Iterable, Sequence

from roost.errors import NotSignedIn

Cookies = Sequence[tuple[str, str]]

MAX_SAME_NAME = 4
MAX_CHUNKS = 10


def parse_cookies(headers: Iterable[str]) -> list[tuple[str, str]]:
    """(name, value) of every cookie in these `Cookie` headers, in order. Values as sent, without
    the quotes that RFC 6265 allows around them.

    >>> parse_cookies(['a=1; b="2"; a=3; broken', "c=4=5"])
    [('a', '1'), ('b', '2'), ('a', '3'), ('c', '4=5')]
    """
    pairs = (part.partition("=") for header in headers for part in header.split(";"))
    return [(name.strip(), _unquoted(value.strip())) for name, equals, value in pairs if equals]


def values_of(name: str, cookies: Cookies, max_chars: int) -> list[str]:
    """The different values sent under `name`; one that was cut into `name.0`, `name.1` … is
    joined. Empty cookies count as absent, as in Auth.js, which deletes by emptying.

    NotSignedIn: over a bound, chunks with a gap or sent twice, or a whole and a chunked one
    beside each other (Auth.js joins them to something that no key opens).
    """
    whole = list(dict.fromkeys(value for key, value in cookies if key == name and value))
    chunks = _chunks(name, cookies)
    if whole and chunks:
        raise _refused(f"cookie {name} is there whole and in chunks")
    if len(whole) > MAX_SAME_NAME:
        raise _refused(f"cookie {name} is there {len(whole)} times")
    values = [_joined(name, chunks)] if chunks else whole
    if any(len(value) > max_chars for value in values):
        raise _refused(f"cookie {name} is longer than {max_chars} characters")
    return values


def _chunks(name: str, cookies: Cookies) -> dict[int, str]:
    found: dict[int, str] = {}
    for key, value in cookies:
        number = _chunk_number(name, key)
        if number is None or not value:
            continue
        if found.setdefault(number, value) != value:
            raise _refused(f"chunk {number} of cookie {name} is there twice")
    return found


def _chunk_number(name: str, key: str) -> int | None:
    """Which chunk of `name` the cookie `key` is; `.00` and `.one` are none."""
    suffix = key[len(name) + 1 :]
    if key != f"{name}.{suffix}" or len(suffix) > 4 or not suffix.isascii():
        return None
    return int(suffix) if suffix.isdigit() and str(int(suffix)) == suffix else None


def _joined(name: str, chunks: dict[int, str]) -> str:
    if len(chunks) > MAX_CHUNKS:
        raise _refused(f"cookie {name} has more than {MAX_CHUNKS} chunks")
    if sorted(chunks) != list(range(len(chunks))):
        raise _refused(f"cookie {name} lacks a chunk, has {sorted(chunks)}")
    return "".join(chunks[number] for number in range(len(chunks)))


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value


def _refused(reason: str) -> NotSignedIn:
    return NotSignedIn(
        "The sign-in cookies of this browser contradict each other or are too large. "
        "Delete this site's cookies and sign in to the app again.",
        reason=reason,
    )
