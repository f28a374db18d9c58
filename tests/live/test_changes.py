"""What a topic sees of a change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.live.home import ACME

from roost.live.changes import Change, Remove, Topic, Upsert, seen, topics_of

ROW, OWN = b'{"all":1}', b'{"own":1}'
EVERYBODY, ANN, BOB = (Topic(ACME, user=user) for user in (None, "ann", "bob"))


def change(
    row: bytes | None = ROW,
    user: str | None = None,
    own_row: bytes | None = None,
    hidden_from: tuple[str, ...] = (),
) -> Change:
    return Change("t1", "default", 3, row, user, own_row, hidden_from)


GONE, SHOWN, MINE = Remove("t1", 3), Upsert("t1", 3, ROW), Upsert("t1", 3, OWN)


@pytest.mark.parametrize(
    ("said", "everybody", "ann", "bob"),
    [
        (change(), SHOWN, None, None),
        (change(user="ann", own_row=OWN), SHOWN, MINE, None),
        (change(hidden_from=("ann",)), SHOWN, GONE, None),
        (change(user="bob", own_row=OWN, hidden_from=("ann",)), SHOWN, GONE, MINE),
        (change(user="ann", own_row=OWN, hidden_from=("ann",)), SHOWN, MINE, None),
        (change(row=None, hidden_from=("ann",)), GONE, GONE, None),
        (change(row=None, user="ann"), GONE, GONE, None),
        (change(row=None), GONE, None, None),
        (change(user="ann", own_row=None), SHOWN, GONE, None),
        (change(row=None, user="ann", own_row=OWN), GONE, GONE, None),
    ],
    ids=[
        "nobody's",
        "ann's",
        "no longer ann's",
        "bob's, once ann's",
        "still ann's",
        "deleted, was ann's",
        "deleted ann's",
        "deleted, nobody's",
        "ann's without what she may see",
        "deleted with a row left over",
    ],
)
def test_each_sees_what_is_theirs(
    said: Change, everybody: object, ann: object, bob: object
) -> None:
    assert (seen(said, EVERYBODY), seen(said, ANN), seen(said, BOB)) == (everybody, ann, bob)


def test_another_project_is_another_topic() -> None:
    said = change(user="ann", own_row=OWN)
    assert seen(said, Topic(ACME, "default", "ann")) == MINE
    assert seen(said, Topic(ACME, "other", "ann")) is None
    assert seen(said, Topic(ACME, "other")) is None


names = st.sampled_from(["ann", "bob", "eve"])


@given(
    st.builds(
        Change,
        st.just("t1"),
        st.sampled_from(["default", "other"]),
        st.just(1),
        st.none() | st.just(ROW),
        st.none() | names,
        st.none() | st.just(OWN),
        st.lists(names, max_size=2).map(tuple),
    ),
    st.builds(Topic, st.just(ACME), st.sampled_from([None, "default", "other"]), st.none() | names),
)
def test_a_topic_that_sees_a_change_is_among_its_topics(said: Change, topic: Topic) -> None:
    topics = list(topics_of(said, ACME))
    assert len(topics) == len(set(topics))
    if seen(said, topic) is not None:
        assert topic in topics


@given(names, st.sampled_from([ROW, None]), st.lists(names, max_size=3).map(tuple))
def test_who_is_not_named_learns_nothing(
    user: str, row: bytes | None, hidden_from: tuple[str, ...]
) -> None:
    said = change(row, user, OWN, hidden_from)
    for name in {"ann", "bob", "eve"} - {user, *hidden_from}:
        assert seen(said, Topic(ACME, user=name)) is None
