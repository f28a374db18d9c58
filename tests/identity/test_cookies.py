import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import NotSignedIn
from roost.identity.cookies import MAX_CHUNKS, parse_cookies, values_of

TOKEN = st.text(alphabet="abcXYZ019-_.", min_size=1, max_size=400)


def cut(token: str, size: int) -> list[tuple[str, str]]:
    return [(f"sid.{at // size}", token[at : at + size]) for at in range(0, len(token), size)]


@given(TOKEN, st.data())
def test_chunks_in_any_order_among_other_cookies_give_the_token(
    token: str, data: st.DataObject
) -> None:
    size = data.draw(st.integers(min_value=-(-len(token) // MAX_CHUNKS), max_value=len(token)))
    others = [("sid.x", "1"), ("sid.00", "2"), ("sidx.0", "3"), ("sid-1", "4"), ("sid.", "5")]
    sent = data.draw(st.permutations([*cut(token, size), *others]))
    assert values_of("sid", sent, 1000) == [token]


@given(st.lists(st.tuples(st.sampled_from(["sid", "sid.0", "sid.1", "sid.2", "sid.a"]), TOKEN)))
def test_nothing_comes_out_that_was_not_sent_under_the_name(sent: list[tuple[str, str]]) -> None:
    try:
        values = values_of("sid", sent, 10_000)
    except NotSignedIn:
        return
    whole = {value for key, value in sent if key == "sid"}
    chunks = dict(sorted((key, value) for key, value in sent if key in ("sid.0", "sid.1", "sid.2")))
    assert set(values) == whole or values == ["".join(chunks.values())]


REFUSED = {
    "a gap": ([("sid.0", "a"), ("sid.2", "c")], "lacks a chunk"),
    "no first": ([("sid.1", "b")], "lacks a chunk"),
    "whole and chunks": ([("sid", "a"), ("sid.0", "a")], "whole and in chunks"),
    "a chunk twice": ([("sid.0", "a"), ("sid.0", "b")], "is there twice"),
    "too many chunks": ([(f"sid.{number}", "a") for number in range(11)], "more than 10 chunks"),
    "too long in all": ([("sid.0", "a" * 60), ("sid.1", "b" * 60)], "longer than 100"),
    "too long": ([("sid", "a" * 101)], "longer than 100"),
    "too often": ([("sid", str(number)) for number in range(5)], "5 times"),
}


@pytest.mark.parametrize(("sent", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_ambiguous_or_oversized_is_refused(
    sent: list[tuple[str, str]], reason: str
) -> None:
    with pytest.raises(NotSignedIn) as refused:
        values_of("sid", sent, 100)
    assert reason in refused.value.reason


TAKEN = {
    "nothing": ([], []),
    "an emptied cookie": ([("sid", "")], []),
    "an emptied one beside chunks": ([("sid", ""), ("sid.0", "a"), ("sid.1", "")], ["a"]),
    "the same twice": ([("sid", "a"), ("sid", "a")], ["a"]),
    "two": ([("sid", "a"), ("sid", "b")], ["a", "b"]),
    "an odd digit": ([("sid.²", "a"), ("sid.٣", "b")], []),
    "a huge number": ([("sid." + "9" * 5000, "a")], []),
}


@pytest.mark.parametrize(("sent", "values"), TAKEN.values(), ids=TAKEN.keys())
def test_what_counts(sent: list[tuple[str, str]], values: list[str]) -> None:
    assert values_of("sid", sent, 100) == values


@given(st.lists(st.text()))
def test_any_header_can_be_parsed(headers: list[str]) -> None:
    for name, value in parse_cookies(headers):
        assert ";" not in name + value
