"""What every request must be before anybody looks at it: for us, from us, and not too big.

Rule: a check reads the raw scope, believes no forwarded header, and raises or says nothing.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from roost.errors import BadRequest, NotAllowed, TooLarge
from roost.http.call import Headers, Message, Receive, Scope

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes, but for `header_count`. `target_bytes` is path and query together."""

    target_bytes: int = 8 * 1024
    header_bytes: int = 32 * 1024
    header_count: int = 100


@dataclass(frozen=True, slots=True)
class Guard:
    """`hosts` are Host headers as browsers send them (`app.example.com`, `box:8420`), lower-case;
    `loopback` adds loopback's names on any port, for it says only that no rebound name of a
    stranger leads here. `origins` are foreign ones that may change data with our cookie."""

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()
    loopback: bool = False
    limits: Limits = field(default_factory=Limits)

    def check(self, scope: Scope) -> None:
        """Raises TooLarge (414, 431), BadRequest or NotAllowed; a scope that passes is in order."""
        headers: Headers = tuple(scope["headers"])
        self._check_size(scope, headers)
        host = _one(headers, b"host", "Host").lower()
        if not self._is_ours(host):
            raise NotAllowed(
                "This host name is not one of Roost's; list it in allowed_hosts.",
                reason=f"Host {host!r}",
            )
        if _changes(scope) and _rides_on_cookie(headers) and not self._is_same_site(headers, host):
            raise NotAllowed(
                "This came from another site; list its origin in allowed_origins.",
                reason=f"Origin {_first(headers, b'origin')!r}",
            )

    def _check_size(self, scope: Scope, headers: Headers) -> None:
        target = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
        if target > self.limits.target_bytes:
            raise TooLarge(f"The URL is longer than {self.limits.target_bytes} bytes.", status=414)
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > self.limits.header_count or size > self.limits.header_bytes:
            raise TooLarge(
                f"There are more than {self.limits.header_count} headers,"
                f" or more than {self.limits.header_bytes} bytes of them.",
                status=431,
            )

    def _is_ours(self, host: str) -> bool:
        return host in self.hosts or (self.loopback and _without_port(host) in LOOPBACK_NAMES)

    def _is_same_site(self, headers: Headers, host: str) -> bool:
        """By Sec-Fetch-Site, which no script can set. Browsers leave it out on plain HTTP beyond
        loopback: there the Origin must be the host that was asked."""
        origin = _first(headers, b"origin").lower()
        if origin and origin in self.origins:
            return True
        site = _first(headers, b"sec-fetch-site")
        if site:
            return site == "same-origin"
        return urlsplit(origin).netloc == host if origin.startswith("http") else False


def allowed_hosts(public_url: str, listed: Iterable[str]) -> frozenset[str]:
    """The Host headers of an installation, from its settings.

    >>> sorted(allowed_hosts("https://App.example.com/x", ["box:8420"]))
    ['app.example.com', 'box:8420']
    """
    return frozenset(name.lower() for name in (urlsplit(public_url).netloc, *listed) if name)


def is_loopback(address: str) -> bool:
    """Whether what listens on that address is out of other machines' reach.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def limited(receive: Receive, headers: Headers, max_bytes: int) -> Receive:
    """`receive` that raises TooLarge beyond so many bytes of body: at once where the length is
    declared, else as soon as they have come."""
    problem = f"The body is larger than {max_bytes} bytes."
    declared = _first(headers, b"content-length")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise TooLarge(problem)
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > max_bytes:
            raise TooLarge(problem)
        return message

    return counted


def _changes(scope: Scope) -> bool:
    """An upgrade opens a channel for both directions, so it counts as unsafe."""
    return bool(scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS)


def _rides_on_cookie(headers: Headers) -> bool:
    """Whether a browser may have added the proof by itself. It never adds a bearer token, but it
    does add `Authorization: Basic`."""
    if not _first(headers, b"cookie"):
        return False
    return not _first(headers, b"authorization").lower().startswith("bearer ")


def _values(headers: Headers, name: bytes) -> Iterator[bytes]:
    return (value for key, value in headers if key.lower() == name)


def _first(headers: Headers, name: bytes) -> str:
    return next(_values(headers, name), b"").decode("latin-1")


def _one(headers: Headers, name: bytes, shown: str) -> str:
    values = list(_values(headers, name))
    if len(values) != 1:
        raise BadRequest(f"A request has exactly one {shown} header.")
    return values[0].decode("latin-1")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host
