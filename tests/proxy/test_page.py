"""Phoenix's page behind Roost's policy."""

import re
from dataclasses import replace

import pytest
from tests.proxy.loopback import MOUNT, answering, between
from tests.proxy.phoenix_page import index_html

from roost.errors import Unavailable
from roost.policy.decision import Treatment
from roost.proxy.page import PageRules, dress, hash_of, inline_scripts

RULES = PageRules(("'self'", "https://app.example.com"), "t-acme", MOUNT, f"{MOUNT}/../sign-out")
HTML = {"content-type": "text/html; charset=utf-8"}
BLANK = b"<!DOCTYPE html><html><head><title>p</title></head><body></body></html>"


def directives(policy: str) -> dict[str, list[str]]:
    return {name: values for name, *values in (part.split() for part in policy.split("; "))}


def test_every_inline_script_of_phoenixs_page_has_its_hash_in_the_policy() -> None:
    page, policy = dress(index_html(), RULES)
    scripts = re.findall(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 3
    allowed = directives(policy)["script-src"]
    assert allowed == [
        "'self'",
        "'unsafe-eval'",
        *(f"'{hash_of(script.decode())}'" for script in scripts),
    ]


def test_roosts_script_is_the_first_of_the_page() -> None:
    page, _ = dress(index_html(), RULES)
    head = page.index(b"<head>") + len(b"<head>")
    assert page[head:].startswith(b"<script data-space=")


def test_the_policy_says_who_may_frame() -> None:
    _, policy = dress(BLANK, RULES)
    assert directives(policy)["frame-ancestors"] == ["'self'", "https://app.example.com"]
    _, policy = dress(BLANK, replace(RULES, frame_ancestors=()))
    assert directives(policy)["frame-ancestors"] == ["'none'"]


def test_the_policy_leads_to_no_other_host() -> None:
    _, policy = dress(index_html(), RULES)
    fetched = {name: value for name, value in directives(policy).items() if "-src" in name}
    plain = re.compile(r"'(self|none|unsafe-inline|unsafe-eval|sha256-\S+)'|data:|blob:")
    assert all(plain.fullmatch(one) for values in fetched.values() for one in values)
    assert "'unsafe-inline'" not in fetched["script-src"]


def test_names_in_the_page_cannot_leave_their_attribute() -> None:
    page, _ = dress(BLANK, replace(RULES, space='"><script>alert(1)</script>'))
    assert inline_scripts(page.decode())[1:] == []


def test_line_ends_count_as_a_browser_counts_them() -> None:
    assert hash_of("a\r\nb\rc") == hash_of("a\nb\nc")


def test_a_page_without_a_head_is_none_that_roost_knows() -> None:
    with pytest.raises(Unavailable) as refused:
        dress(b"<p>Bad Gateway</p>", RULES)
    assert refused.value.status == 502


async def test_the_page_comes_with_its_policy_and_its_own_length() -> None:
    phoenix = answering(BLANK, {**HTML, "content-length": str(len(BLANK)), "etag": '"1"'})
    async with between(phoenix, Treatment.PAGE) as (proxy, http), http.get(proxy.url) as answer:
        page = await answer.read()
        assert page.endswith(b"</head><body></body></html>")
        assert answer.headers["content-length"] == str(len(page))
        assert "'sha256-" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "private, no-store"
        assert "etag" not in answer.headers


async def test_head_of_the_page_has_the_policy_too() -> None:
    phoenix = answering(BLANK, HTML)
    async with between(phoenix, Treatment.PAGE) as (proxy, http), http.head(proxy.url) as answer:
        assert "sha256-" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("body", "headers"),
    [(BLANK + b" " * 1024 * 1024, {}), (BLANK, {"content-encoding": "br"})],
    ids=["too large", "compressed unasked"],
)
async def test_a_page_that_cannot_be_fenced_is_not_shown(
    body: bytes, headers: dict[str, str]
) -> None:
    phoenix = answering(body, {**HTML, **headers})
    async with between(phoenix, Treatment.PAGE) as (proxy, http), http.get(proxy.url) as answer:
        assert answer.status == 502


async def test_a_picture_at_a_pages_path_is_no_page() -> None:
    phoenix = answering(b"ico", {"content-type": "image/x-icon"})
    async with between(phoenix, Treatment.PAGE) as (proxy, http), http.get(proxy.url) as answer:
        assert await answer.read() == b"ico"
        assert answer.headers["cache-control"] == "private, no-store"
