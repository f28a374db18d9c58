"""Every URL of Roost on one screen. What no row names is 404.

`{tenant}` is a slug, `**` the rest of the path (at least nothing). Under `t/{tenant}/` the tenant
is named; without it, the proof must name one. Rows are tried in order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from roost.model import Slug, as_slug


class Endpoint(Enum):
    HEALTH = auto()
    INGEST = auto()
    """OTLP over HTTP, and the spans that Phoenix's client logs."""
    NO_SIGNAL = auto()
    """OTLP logs and metrics: a clear problem, for nobody here takes them."""
    REST = auto()
    GRAPHQL = auto()
    UI = auto()
    APP = auto()
    LINK = auto()
    SIGN_OUT = auto()
    ME = auto()
    LIVE = auto()
    """An event stream, or a WebSocket."""
    EVENTS_IN = auto()
    EVENTS = auto()
    EVENTS_ERASE = auto()
    """What the host tracks."""
    EMBED = auto()
    API = auto()
    """Roost's own: `api/table.py` has its rows."""


TABLE: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "healthz", Endpoint.HEALTH),
    ("POST", "", Endpoint.INGEST),
    ("POST", "v1/traces", Endpoint.INGEST),
    ("POST", "t/{tenant}/v1/traces", Endpoint.INGEST),
    ("POST", "v1/projects/*/spans", Endpoint.INGEST),
    ("POST", "t/{tenant}/v1/projects/*/spans", Endpoint.INGEST),
    ("POST", "v1/logs", Endpoint.NO_SIGNAL),
    ("POST", "v1/metrics", Endpoint.NO_SIGNAL),
    ("POST", "t/{tenant}/v1/logs", Endpoint.NO_SIGNAL),
    ("POST", "t/{tenant}/v1/metrics", Endpoint.NO_SIGNAL),
    ("ANY", "v1/**", Endpoint.REST),
    ("ANY", "t/{tenant}/v1/**", Endpoint.REST),
    ("GET", "arize_phoenix_version", Endpoint.REST),
    ("GET", "t/{tenant}/arize_phoenix_version", Endpoint.REST),
    ("POST", "graphql", Endpoint.GRAPHQL),
    ("POST", "t/{tenant}/graphql", Endpoint.GRAPHQL),
    ("ANY", "ui/{tenant}/**", Endpoint.UI),
    ("GET", "app/**", Endpoint.APP),
    ("GET", "embed/**", Endpoint.EMBED),
    ("GET", "live", Endpoint.LIVE),
    ("GET", "t/{tenant}/live", Endpoint.LIVE),
    ("GET", "api/me", Endpoint.ME),
    ("POST", "api/events", Endpoint.EVENTS_IN),
    ("POST", "t/{tenant}/api/events", Endpoint.EVENTS_IN),
    ("GET", "api/events/*", Endpoint.EVENTS),
    ("GET", "t/{tenant}/api/events/*", Endpoint.EVENTS),
    ("DELETE", "api/events/users/*", Endpoint.EVENTS_ERASE),
    ("DELETE", "t/{tenant}/api/events/users/*", Endpoint.EVENTS_ERASE),
    ("ANY", "api/**", Endpoint.API),
    ("ANY", "t/{tenant}/api/**", Endpoint.API),
    ("GET", "sign-in/*", Endpoint.LINK),
    ("POST", "sign-in/*", Endpoint.LINK),
    ("POST", "sign-out", Endpoint.SIGN_OUT),
)

ALWAYS_ON = frozenset({Endpoint.HEALTH, Endpoint.INGEST, Endpoint.NO_SIGNAL, Endpoint.EVENTS_IN})
"""What answers while Roost is switched off: what would be lost elsewhere."""


@dataclass(frozen=True, slots=True)
class Match:
    """`rest` is the part of the path that Phoenix knows: from `v1` on, or below `ui/<tenant>`."""

    endpoint: Endpoint
    tenant: Slug | None
    rest: tuple[str, ...]


_ROWS = tuple((method, tuple(filter(None, path.split("/"))), end) for method, path, end in TABLE)


def match(method: str, segments: Sequence[str]) -> Match | None:
    """The row for that call, or None. HEAD is asked as GET.

    >>> found = match("GET", ("ui", "acme", "projects"))
    >>> found.endpoint.name, found.tenant, found.rest
    ('UI', 'acme', ('projects',))
    >>> match("GET", ("ui", "Acme")), match("DELETE", ("healthz",))
    (None, None)
    """
    asked = "GET" if method == "HEAD" else method
    for allowed, pattern, endpoint in _ROWS:
        if allowed in ("ANY", asked) and _fits(pattern, segments):
            return Match(endpoint, *_parts(pattern, segments))
    return None


def _fits(pattern: tuple[str, ...], segments: Sequence[str]) -> bool:
    if pattern[-1:] == ("**",):
        pattern = pattern[:-1]
        segments = segments[: len(pattern)]
    return len(pattern) == len(segments) and all(map(_same, pattern, segments))


def _same(part: str, segment: str) -> bool:
    if part == "{tenant}":
        return as_slug(segment) is not None
    return part in ("*", segment)


def _parts(
    pattern: tuple[str, ...], segments: Sequence[str]
) -> tuple[Slug | None, tuple[str, ...]]:
    if "{tenant}" not in pattern:
        return None, tuple(segments)
    at = pattern.index("{tenant}")
    return as_slug(segments[at]), tuple(segments[at + 1 :])
