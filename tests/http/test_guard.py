"""Hosts, origins and sizes, request by request."""

import pytest
from tests.http.scopes import a_scope

from roost.errors import BadRequest, NotAllowed, RoostError, TooLarge
from roost.http.call import Message
from roost.http.guard import Guard, Limits, limited

GUARD = Guard(
    hosts=frozenset({"app.example.com", "box:8420"}),
    origins=frozenset({"https://partner.example"}),
)
LOCAL = Guard(hosts=frozenset(), loopback=True)
COOKIE = {"cookie": "authjs.session-token=x"}


@pytest.mark.parametrize("host", ["app.example.com", "APP.example.com", "box:8420"])
def test_our_hosts_are_answered(host: str) -> None:
    GUARD.check(a_scope(host=host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "app.example.com.evil.example",
        "app.example.com.",
        "app.example.com:8420",
        "box",
        "box:84200",
        "localhost",
        "127.0.0.1",
        "192.0.2.1",
        "app.example.com,evil.example",
        "app.example.com@evil.example",
        " app.example.com",
        "",
    ],
)
def test_other_hosts_are_not(host: str) -> None:
    with pytest.raises(NotAllowed):
        GUARD.check(a_scope(host=host))


@pytest.mark.parametrize("host", ["localhost", "localhost:3000", "127.0.0.1:8420", "[::1]:8420"])
def test_loopback_has_its_names_on_any_port(host: str) -> None:
    LOCAL.check(a_scope(host=host))


@pytest.mark.parametrize(
    "host", ["rebound.example:8420", "127.0.0.1.evil.example", "localhost:x", "[::1]x", "127.0.0.2"]
)
def test_a_name_that_was_rebound_to_loopback_is_not_ours(host: str) -> None:
    with pytest.raises(NotAllowed):
        LOCAL.check(a_scope(host=host))


def test_there_is_one_host() -> None:
    with pytest.raises(BadRequest):
        GUARD.check(a_scope(host=None))
    twice = a_scope()
    twice["headers"].append((b"Host", b"app.example.com"))
    with pytest.raises(BadRequest):
        GUARD.check(twice)


def test_a_forwarded_host_is_not_the_host() -> None:
    with pytest.raises(NotAllowed):
        GUARD.check(a_scope(host="evil.example", headers={"x-forwarded-host": "app.example.com"}))


SAME_SITE = [
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "same-origin", "origin": "https://app.example.com"},
    {"sec-fetch-site": "cross-site", "origin": "https://partner.example"},
    {"origin": "https://partner.example"},
    {"origin": "https://PARTNER.example"},
    {"origin": "http://app.example.com"},
]
OTHER_SITE = [
    {},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "cross-site", "origin": "https://app.example.com"},
    {"sec-fetch-site": "same-site", "origin": "https://evil.example.com"},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "https://evil.example"},
    {"origin": "https://app.example.com.evil.example"},
    {"origin": "https://app.example.com:444"},
    {"origin": "https://x@app.example.com"},
    {"origin": "https://partner.example.evil.example"},
    {"origin": "https://partner.example, https://evil.example"},
    {"referer": "https://app.example.com/"},
    {"x-forwarded-host": "evil.example", "origin": "https://evil.example"},
]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("headers", SAME_SITE, ids=str)
def test_our_own_pages_may_change_data_by_cookie(method: str, headers: dict[str, str]) -> None:
    GUARD.check(a_scope(method, headers={**COOKIE, **headers}))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "QUERY"])
@pytest.mark.parametrize("headers", OTHER_SITE, ids=str)
def test_other_sites_may_not(method: str, headers: dict[str, str]) -> None:
    with pytest.raises(NotAllowed):
        GUARD.check(a_scope(method, headers={**COOKIE, **headers}))


@pytest.mark.parametrize("headers", OTHER_SITE, ids=str)
def test_other_sites_may_not_open_a_socket_by_cookie(headers: dict[str, str]) -> None:
    with pytest.raises(NotAllowed):
        GUARD.check(a_scope(headers={**COOKIE, **headers}, kind="websocket"))


@pytest.mark.parametrize("headers", OTHER_SITE, ids=str)
def test_reading_changes_nothing(headers: dict[str, str]) -> None:
    GUARD.check(a_scope("GET", headers={**COOKIE, **headers}))


def test_a_bearer_token_is_nothing_that_a_browser_adds() -> None:
    cross = {"sec-fetch-site": "cross-site"}
    GUARD.check(a_scope("POST", headers={**COOKIE, **cross, "authorization": "Bearer rk_1"}))
    with pytest.raises(NotAllowed):
        GUARD.check(a_scope("POST", headers={**COOKIE, **cross, "authorization": "Basic YTpi"}))
    GUARD.check(a_scope("POST", headers=cross))


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (a_scope(path="/" + "a" * 200), 414),
        (a_scope(query="a" * 200), 414),
        (a_scope(headers={"x": "a" * 300}), 431),
        (a_scope(headers={f"x{n}": "" for n in range(10)}), 431),
    ],
    ids=["path", "query", "a large header", "many headers"],
)
def test_what_is_too_large_says_so(scope: dict[str, object], status: int) -> None:
    limits = Limits(target_bytes=100, header_bytes=250, header_count=10)
    guard = Guard(frozenset({"app.example.com"}), limits=limits)
    with pytest.raises(TooLarge) as refused:
        guard.check(scope)
    assert refused.value.status == status


async def read(parts: list[bytes], headers: tuple[tuple[bytes, bytes], ...], limit: int) -> int:
    left = list(parts)

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    counted = limited(receive, headers, limit)
    return sum([len((await counted())["body"]) for _ in parts])


async def test_a_body_within_its_limit_passes() -> None:
    assert await read([b"ab", b"cd"], ((b"content-length", b"4"),), 4) == 4


@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        ([b"abc", b"de"], ()),
        ([b"abcde"], ()),
        ([], ((b"content-length", b"5"),)),
        ([b"abc", b"de"], ((b"content-length", b"2"),)),
    ],
    ids=["in parts", "at once", "declared", "declared too small"],
)
async def test_a_body_beyond_its_limit_does_not(
    parts: list[bytes], headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    with pytest.raises(TooLarge, match="larger than 4 bytes"):
        await read(parts, headers, 4)


def test_refusals_name_no_header_of_the_caller() -> None:
    with pytest.raises(RoostError) as refused:
        GUARD.check(a_scope(host="<script>"))
    assert "<script>" not in refused.value.message
