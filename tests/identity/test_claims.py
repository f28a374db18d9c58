import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.identity.claims import Claims

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def claims(**values: object) -> Claims:
    return Claims(values, "proof-1", 0)


TEXTS: dict[str, tuple[object, str]] = {
    "text": ("ann", "ann"),
    "a number": (42, "42"),
    "zero": (0, "0"),
    "true": (True, ""),
    "a fraction": (1.5, ""),
    "nothing": (None, ""),
    "an object": ({"id": "ann"}, ""),
    "a list": (["ann"], ""),
    "too long": ("a" * 257, ""),
    "a line end": ("ann\nbob", ""),
    "a direction override": ("ann\u202e", ""),
}


@pytest.mark.parametrize(("value", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_what_counts_as_text(value: object, text: str) -> None:
    assert claims(it=value).text("it") == text


@pytest.mark.parametrize("path", ["org.slug", "org", "org.slug.x", "org..slug", "", ".", "x.y"])
def test_a_path_that_leads_nowhere_is_absent(path: str) -> None:
    assert claims(org=["slug"]).text(path) == ""


def test_a_list_and_a_single_text_read_alike() -> None:
    assert claims(t=["acme", 7, None, "globex"]).texts("t") == ("acme", "7", "globex")
    assert claims(t="acme").texts("t") == ("acme",)
    assert claims().texts("t") == ()


def test_paths_lead_to_values() -> None:
    assert list(claims(sub="a", org={"slug": "acme", "plan": {"id": 1}}).paths()) == [
        "sub",
        "org.slug",
        "org.plan.id",
    ]


@given(st.dictionaries(st.text(), JSON), st.text())
def test_any_claims_and_path_give_a_text(values: dict[str, object], path: str) -> None:
    some = Claims(values, "", 0)
    assert isinstance(some.text(path), str)
    assert all(isinstance(text, str) for text in some.texts(path))
    assert all(isinstance(one, str) for one in some.paths())
