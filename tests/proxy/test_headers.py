"""What passes between a caller and a cell, spelling by spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.policy.decision import Treatment
from roost.proxy.headers import FROM_CELL, TO_CELL, from_cell, to_cell

FORGED = [
    b"Authorization",
    b"AUTHORIZATION",
    b"authorization ",
    b" authorization",
    b"authorization\t",
    b"Proxy-Authorization",
    b"Cookie",
    b"cookie2",
    b"api_key",
    b"api-key",
    b"X-Api-Key",
    b"X-Forwarded-For",
    b"X_Forwarded_For",
    b"x-forwarded_for",
    b"X-Forwarded-Host",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Prefix",
    b"X-Forwarded-Uri",
    b"X_Forwarded_Email",
    b"X-Forwarded-Email",
    b"X-Forwarded-User",
    b"X-Forwarded-Access-Token",
    b"Forwarded",
    b"X-Real-IP",
    b"X_Real_Ip",
    b"X-Auth-Request-Email",
    b"X-Auth-Request-User",
    b"X-Remote-User",
    b"Remote-User",
    b"REMOTE_USER",
    b"X-Amzn-Oidc-Data",
    b"Cf-Access-Jwt-Assertion",
    b"x-project-name",
    b"X_Project_Name",
    b"project-name",
    b"X-HTTP-Method-Override",
    b"X-Original-URL",
    b"X-Rewrite-URL",
    b"Host",
    b"Origin",
    b"Referer",
]
HOP_BY_HOP = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"expect",
]


def sent(*headers: tuple[bytes, bytes], treatment: Treatment = Treatment.PRIVATE) -> dict[str, str]:
    return to_cell(headers, treatment, "own")


@pytest.mark.parametrize("name", FORGED + HOP_BY_HOP, ids=repr)
def test_no_spelling_of_a_forged_header_reaches_the_cell(name: bytes) -> None:
    assert sent((name, b"forged")) == {"authorization": "Bearer own"}


@pytest.mark.parametrize("name", sorted(TO_CELL), ids=bytes.decode)
def test_what_phoenix_reads_passes(name: bytes) -> None:
    assert sent((name.upper(), b"5"))[name.decode()] == "5"


def test_a_header_that_connection_names_stays_on_its_hop() -> None:
    assert sent((b"accept", b"*/*"), (b"connection", b"close, Accept")) == {
        "authorization": "Bearer own"
    }


def test_connection_cannot_take_the_token_away() -> None:
    assert "authorization" in sent((b"connection", b"authorization"))


def test_the_first_of_repeated_headers_counts() -> None:
    twice = ((b"content-type", b"application/json"), (b"Content-Type", b"text/plain"))
    assert sent(*twice)["content-type"] == "application/json"


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\x00", b"caf\xe9", b"\x7f"], ids=repr)
def test_a_value_that_is_not_printable_is_dropped(value: bytes) -> None:
    assert "user-agent" not in sent((b"user-agent", value))


def test_a_page_is_asked_for_whole_and_plain() -> None:
    asked = sent(
        (b"accept-encoding", b"gzip"),
        (b"if-none-match", b"x"),
        (b"range", b"bytes=0-1"),
        treatment=Treatment.PAGE,
    )
    assert asked == {"authorization": "Bearer own"}


def test_nothing_may_compress_a_stream() -> None:
    assert "accept-encoding" not in sent((b"accept-encoding", b"br"), treatment=Treatment.STREAM)


LEAKY = [
    b"Set-Cookie",
    b"Server",
    b"Date",
    b"Access-Control-Allow-Origin",
    b"Access-Control-Allow-Credentials",
    b"Cache-Control",
    b"Expires",
    b"Vary",
    b"Content-Security-Policy",
    b"Connection",
    b"Transfer-Encoding",
    b"X-Colab-Notebook-Cache-Control",
    b"Link",
    b"Refresh",
    b"Clear-Site-Data",
    b"WWW-Authenticate",
]


@pytest.mark.parametrize("name", LEAKY, ids=repr)
def test_a_cell_cannot_set_what_is_roosts_to_set(name: bytes) -> None:
    assert b"leaked" not in [v for _, v in from_cell([(name, b"leaked")], Treatment.PRIVATE)]


@pytest.mark.parametrize("name", sorted(FROM_CELL), ids=bytes.decode)
def test_what_callers_read_of_a_cell_passes(name: bytes) -> None:
    assert (name, b"v") in from_cell([(name.title(), b"v")], Treatment.PRIVATE)


@pytest.mark.parametrize(
    ("treatment", "caching"),
    [
        (Treatment.PRIVATE, b"private, no-store"),
        (Treatment.STREAM, b"private, no-store, no-transform"),
        (Treatment.PAGE, b"private, no-store"),
        (Treatment.ASSET, b"private, max-age=31536000, immutable"),
    ],
)
def test_each_treatment_sets_its_caching(treatment: Treatment, caching: bytes) -> None:
    headers = dict(from_cell([(b"cache-control", b"public")], treatment))
    assert headers[b"cache-control"] == caching
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_an_asset_keeps_the_fence_of_phoenixs_script_worker() -> None:
    fence = (b"content-security-policy", b"connect-src 'none'")
    assert fence in from_cell([fence], Treatment.ASSET)


@given(st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=30))))
def test_whatever_comes_the_cell_gets_names_of_the_list_and_our_token(
    headers: list[tuple[bytes, bytes]],
) -> None:
    passed = to_cell(headers, Treatment.PRIVATE, "own")
    assert passed.pop("authorization") == "Bearer own"
    assert set(passed) <= set(TO_CELL.values())
    assert all(value.isascii() and value.isprintable() for value in passed.values())
