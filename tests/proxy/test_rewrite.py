"""Redirects stay in the mount."""

from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.proxy.rewrite import rewrite_location

CELL = "http://127.0.0.1:6006"
ROOT = "/api/phoenix/ui/acme"
MOUNT = "/api/phoenix/t/acme"


def rewritten(location: str) -> str | None:
    return rewrite_location(location, asked="/v1/projects/", address=CELL, root=ROOT, mount=MOUNT)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/v1/projects", f"{MOUNT}/v1/projects"),
        (f"{ROOT}/v1/projects?limit=1", f"{MOUNT}/v1/projects?limit=1"),
        (f"{CELL}{ROOT}/v1/projects", f"{MOUNT}/v1/projects"),
        (f"{CELL}/v1/projects#a", f"{MOUNT}/v1/projects#a"),
        (CELL, f"{MOUNT}/"),
        (ROOT, f"{MOUNT}/"),
        (f"{ROOT}-2/x", f"{MOUNT}{ROOT}-2/x"),
        ("x", f"{MOUNT}/v1/projects/x"),
        ("../x", f"{MOUNT}/v1/x"),
        ("?a=%2Fb", f"{MOUNT}/v1/projects/?a=%2Fb"),
    ],
)
def test_a_redirect_within_the_cell_is_a_redirect_within_the_mount(
    location: str, expected: str
) -> None:
    assert rewritten(location) == expected


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "https://127.0.0.1:6006/",
        "http://127.0.0.1:6007/",
        "http://ann@127.0.0.1:6006/",
        "http://127.0.0.1:6006.evil.example/",
        "/%2e%2e/globex/",
        "/%2E./globex/",
        "/a\r\nset-cookie: b",
        "/a b",
        "http://[::1/",
    ],
    ids=repr,
)
def test_a_redirect_to_elsewhere_is_none(location: str) -> None:
    assert rewritten(location) is None


@given(st.text())
def test_whatever_a_cell_says_nobody_is_led_out_of_the_mount(location: str) -> None:
    found = rewritten(location)
    assert found is None or urljoin(f"https://app.example{MOUNT}/", found).startswith(
        f"https://app.example{MOUNT}/"
    )
