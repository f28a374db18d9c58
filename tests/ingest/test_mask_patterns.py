"""Patterns take time linear in the text, and the operator's own run on RE2 alone."""

import pytest

from roost.ingest.mask_patterns import BUILT_IN, Pattern, hide, own


class Counting(str):
    """Text that counts how many characters were looked at one by one."""

    looked = 0

    def __getitem__(self, at: object) -> str:
        if isinstance(at, int):
            Counting.looked += 1
        return super().__getitem__(at)  # type: ignore[index]


@pytest.mark.parametrize("piece", ["a@", "a@b", "aaaa", "@", ".@a.", "a@a.a@"])
def test_the_search_for_addresses_looks_at_no_character_often(piece: str) -> None:
    text = Counting(piece * 2_000)
    Counting.looked = 0
    list(BUILT_IN["email"].find(text))
    assert Counting.looked < 6 * len(text)


def test_what_is_found_is_replaced_once_and_the_rest_stays() -> None:
    patterns = [BUILT_IN["email"], BUILT_IN["ipv4"]]
    assert hide("a@b.c d 10.0.0.1 e f@g.h", patterns) == (
        "[masked:email] d [masked:ipv4] e [masked:email]"
    )


def test_text_without_a_find_is_the_same_object() -> None:
    text = "nothing to see"
    assert hide(text, list(BUILT_IN.values())) is text


def of(expression: str) -> Pattern:
    pytest.importorskip("re2")
    return own(expression)


@pytest.mark.parametrize(
    ("expression", "text", "hidden"),
    [
        (r"CUST-\d+", "for CUST-1234.", "for [masked]."),
        (r"(?i)ü+x", "a ÜÜX b", "a [masked] b"),
        (r"\d{3}", "123456", "[masked][masked]"),
        (r"x.*", "a x\ud83d y", "a [masked]"),
    ],
)
def test_an_own_expression_hides_what_it_matches(expression: str, text: str, hidden: str) -> None:
    assert hide(text, [of(expression)]) == hidden


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("(a", "missing"),
        (r"(a)\1", "invalid"),
        ("(?=a)", "invalid"),
        ("a*", "empty text"),
        ("x{1000}{1000}", "bad repetition|too large"),
        ("a" * 1_001, "longer than 1000"),
    ],
)
def test_an_expression_that_cannot_be_one_says_why(expression: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        of(expression)
