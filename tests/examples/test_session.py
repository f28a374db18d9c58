"""The demo host's session, minted and read."""

import pytest
from examples.demo.session import LIFETIME_S, Sessions

SECRET = "the-demo's-secret-0123456789abcdef0123456789"


def test_a_session_ends() -> None:
    sessions = Sessions(SECRET)
    minted = sessions.mint({"name": "Ann"}, now_s=1_000)
    assert sessions.read(minted, 1_000 + LIFETIME_S - 1) is not None
    assert sessions.read(minted, 1_000 + LIFETIME_S) is None


@pytest.mark.parametrize(
    "cookie", [None, "", "nonsense", "a.b.c.d.e", Sessions("x" * 32).mint({}, 2**31)]
)
def test_what_is_no_session_of_this_host_is_nobody(cookie: str | None) -> None:
    assert Sessions(SECRET).read(cookie, 1_000) is None
