"""Cookies that NextAuth 4 and Auth.js 5 set themselves, freshly, are read."""

import time
from dataclasses import dataclass

import pytest
from tests.identity import authjs

from roost.errors import NotSignedIn
from roost.identity.nextauth import NextAuth
from roost.identity.session_keys import Version

SECRET = "host-secret-0123456789abcdef0123456789abcdef"
OTHER = "next-secret-0123456789abcdef0123456789abcdef"
ANN = {"sub": "ann-1", "email": "ann@acme.example", "name": "Ann Müller 🦊"}


@dataclass(frozen=True)
class Case:
    """`version` of the library, `cookie` it must set (its first, where it cuts)."""

    id: str
    version: Version
    cookie: str
    https: bool = False
    cookie_name: str = ""
    padding: int = 0
    rotated: bool = False

    @property
    def claims(self) -> dict[str, object]:
        return {**ANN, "padding": "x" * self.padding}

    @property
    def wish(self) -> authjs.Wish:
        name = {"cookieName": self.cookie_name} if self.cookie_name else {}
        return {
            "version": self.version,
            "secret": SECRET,
            "https": self.https,
            "claims": self.claims,
            **name,
        }

    def reader(self) -> NextAuth:
        secrets = [OTHER, SECRET] if self.rotated else [SECRET]
        return NextAuth(self.version, secrets, self.cookie_name)


CASES = [
    Case("v4 http", 4, "next-auth.session-token"),
    Case("v4 https", 4, "__Secure-next-auth.session-token", https=True),
    Case("v4 own name", 4, "acme.sid", cookie_name="acme.sid"),
    Case("v4 in chunks", 4, "next-auth.session-token.0", padding=9_000),
    Case("v4 chunks https", 4, "__Secure-next-auth.session-token.0", True, padding=9_000),
    Case("v4 after rotation", 4, "next-auth.session-token", rotated=True),
    Case("v5 http", 5, "authjs.session-token"),
    Case("v5 https", 5, "__Secure-authjs.session-token", https=True),
    Case("v5 own name", 5, "__Host-acme.sid", https=True, cookie_name="__Host-acme.sid"),
    Case("v5 in chunks", 5, "authjs.session-token.0", padding=9_000),
    Case("v5 chunks https", 5, "__Secure-authjs.session-token.0", True, padding=9_000),
    Case("v5 after rotation", 5, "authjs.session-token", rotated=True),
]
by_id = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@pytest.fixture(scope="session")
def minted() -> dict[str, dict[str, str]]:
    answers = authjs.mint([case.wish for case in CASES])
    return {case.id: cookies for case, cookies in zip(CASES, answers, strict=True)}


@by_id
def test_a_fresh_session_is_read(case: Case, minted: dict[str, dict[str, str]]) -> None:
    cookies = minted[case.id]
    assert case.cookie in cookies
    claims = case.reader().read(list(cookies.items()), time.time())
    assert claims is not None
    assert {key: claims.values[key] for key in case.claims} == case.claims


@by_id
def test_the_order_of_cookies_does_not_matter(
    case: Case, minted: dict[str, dict[str, str]]
) -> None:
    cookies = list(reversed(minted[case.id].items()))
    claims = case.reader().read(cookies, time.time())
    assert claims is not None
    assert claims.text("sub") == "ann-1"


@by_id
def test_another_secret_opens_nothing(case: Case, minted: dict[str, dict[str, str]]) -> None:
    reader = NextAuth(case.version, [OTHER], case.cookie_name)
    with pytest.raises(NotSignedIn):
        reader.read(list(minted[case.id].items()), time.time())


@by_id
def test_a_session_of_the_other_version_is_none(
    case: Case, minted: dict[str, dict[str, str]]
) -> None:
    reader = NextAuth(5 if case.version == 4 else 4, [SECRET])
    cookies = {
        key: value for key, value in minted[case.id].items() if key.startswith(case.cookie[:20])
    }
    assert reader.read(list(cookies.items()), time.time()) is None


@by_id
def test_it_ends_when_the_library_says(case: Case, minted: dict[str, dict[str, str]]) -> None:
    in_31_days = time.time() + 31 * 24 * 3600
    with pytest.raises(NotSignedIn) as refused:
        case.reader().read(list(minted[case.id].items()), in_31_days)
    assert "expired" in refused.value.reason
