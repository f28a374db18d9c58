import uuid

import pytest

from roost.identity.stability import WINDOW_S, changing_subjects

NOW = 1_800_000_000.0
Sighting = tuple[str, str, float]


def seen(*subjects: str, email: str = "ann@acme.example", at: float = NOW) -> list[Sighting]:
    return [(email, subject, at) for subject in subjects]


def random_ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


STABLE: dict[str, list[Sighting]] = {
    "nobody": [],
    "one subject": seen("google:1"),
    "one random id, from a database": seen(*random_ids(1)),
    "two sign-in methods": seen("google:1", "github:2"),
    "a database id and a provider's": seen(*random_ids(1), "github:2"),
    "two people": seen(*random_ids(1)) + seen(*random_ids(1), email="bob@acme.example"),
    "people without address": seen(*random_ids(5), email=""),
    "long ago": seen(*random_ids(5), at=NOW - WINDOW_S - 1),
}
CHANGING: dict[str, list[Sighting]] = {
    "two random ids": seen(*random_ids(2)),
    "in another case": seen(*random_ids(1)) + seen(*random_ids(1), email="ANN@acme.example"),
    "many of another form": seen("c1", "c2", "c3", "c4"),
}


@pytest.mark.parametrize("sightings", STABLE.values(), ids=STABLE.keys())
def test_a_stable_subject_is_no_finding(sightings: list[Sighting]) -> None:
    assert changing_subjects(sightings, NOW) == []


@pytest.mark.parametrize("sightings", CHANGING.values(), ids=CHANGING.keys())
def test_a_changing_subject_is_told_with_the_callback(sightings: list[Sighting]) -> None:
    [finding] = changing_subjects(sightings, NOW)
    assert finding.reason.startswith("ann@acme.example came with")
    assert "account.providerAccountId" in finding.fix
