"""Tokens open where they were made, and nowhere else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.live.home import ACME, GLOBEX, KEY

from roost.live.changes import Place, Topic
from roost.live.tokens import Seal, tenant_key, topic_key

PLACE = Place("epoch-1", 41)


def seal(topic: Topic) -> Seal:
    return Seal(topic_key(tenant_key(KEY, topic.tenant_id), topic))


@given(st.text("0123456789abcdef", min_size=1, max_size=32), st.integers(0, 2**63))
def test_a_token_says_the_place_it_was_made_for(epoch: str, position: int) -> None:
    place = Place(epoch, position)
    assert seal(Topic(ACME)).open(seal(Topic(ACME)).seal(place)) == place


TOPICS = [
    Topic(ACME),
    Topic(GLOBEX),
    Topic(ACME, "default"),
    Topic(ACME, user="default"),
    Topic(ACME, "default", "ann"),
    Topic(ACME, "default", "bob"),
    Topic(ACME, 'default","ann'),
    Topic(ACME, "null"),
]


@pytest.mark.parametrize("other", TOPICS, ids=str)
def test_a_token_opens_in_no_other_topic(other: Topic) -> None:
    opened = [seal(topic).open(seal(other).seal(PLACE)) for topic in TOPICS]
    assert opened == [PLACE if topic == other else None for topic in TOPICS]


def test_tokens_do_not_tell_how_far_apart_they_are() -> None:
    topic = seal(Topic(ACME, user="ann"))
    same, again, far = topic.seal(PLACE), topic.seal(PLACE), topic.seal(Place("epoch-1", 10**12))
    assert same != again
    assert len(same) == len(far)


@given(st.text(max_size=200))
def test_what_was_not_sealed_does_not_open(text: str) -> None:
    assert seal(Topic(ACME)).open(text) is None


@given(st.integers(0, 40), st.integers(1, 255))
def test_a_changed_token_does_not_open(at: int, by: int) -> None:
    token = seal(Topic(ACME)).seal(PLACE)
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[at % len(raw)] ^= by
    assert seal(Topic(ACME)).open(base64.urlsafe_b64encode(raw).rstrip(b"=").decode()) is None
