import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import NotSignedIn
from roost.identity import one_time_link
from roost.identity.one_time_link import LinkCookie
from roost.model import Proof, Role, Slug

COOKIE = LinkCookie("roost-8420", "/api/phoenix")


def test_a_minted_token_is_known_by_its_hash_alone() -> None:
    minted = one_time_link.mint()
    assert one_time_link.hash_token(minted.token) == minted.hash
    assert minted.token not in repr(minted)
    assert one_time_link.mint().token != minted.token


@given(st.text(alphabet=st.characters()))
def test_any_text_has_a_hash(token: str) -> None:
    assert len(one_time_link.hash_token(token)) == 32


def test_the_session_cookie_comes_back() -> None:
    token = one_time_link.mint().token
    header = COOKIE.begin(token)
    name, _, rest = header.partition("=")
    assert COOKIE.read([("theme", "dark"), (name, rest.partition(";")[0])]) == token


def test_its_attributes_keep_it_from_scripts_and_foreign_posts() -> None:
    assert COOKIE.begin("t") == (
        "roost-8420=t; Max-Age=86400; Path=/api/phoenix; HttpOnly; SameSite=Lax"
    )
    assert LinkCookie("roost", "/r", secure=True).begin("t").endswith("; Secure")


def test_signing_out_empties_it_on_the_same_path() -> None:
    assert COOKIE.end() == "roost-8420=; Max-Age=0; Path=/api/phoenix; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize("value", ["", "short", "x" * 44, "é" * 43, " " * 43])
def test_what_has_not_the_form_of_a_token_is_none(value: str) -> None:
    assert COOKIE.read([("roost-8420", value)]) is None


def test_an_oversized_one_is_refused() -> None:
    with pytest.raises(NotSignedIn):
        COOKIE.read([("roost-8420", "x" * 65)])


def test_the_link_makes_an_operator() -> None:
    identity = one_time_link.identify("link-1", 99.0)
    assert identity.role_in(Slug("any")) is Role.ADMIN
    assert (identity.proof, identity.proof_id) == (Proof.LINK, "link-1")
    assert one_time_link.mint_session_id() != one_time_link.mint_session_id()
