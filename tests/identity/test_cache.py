from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from roost.identity.cache import IdentityCache
from roost.model import Identity, Proof

ANN = Identity("ann-1", Proof.NEXTAUTH, "session-1", valid_until=10_000.0)
BOB = Identity("bob-1", Proof.NEXTAUTH, "session-2", valid_until=10_000.0)


@dataclass
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> IdentityCache:
    return IdentityCache(clock)


def remember(cache: IdentityCache, credential: str, identity: Identity = ANN) -> None:
    cache.put("nextauth", credential, identity, cache.generation)


def test_what_was_put_is_found(cache: IdentityCache) -> None:
    remember(cache, "cookie")
    assert cache.get("nextauth", "cookie") is ANN


def test_another_credential_or_verifier_finds_nothing(cache: IdentityCache) -> None:
    remember(cache, "cookie")
    assert cache.get("nextauth", "cookie2") is None
    assert cache.get("key", "cookie") is None


def test_it_is_forgotten_after_60_seconds_at_most(clock: Clock) -> None:
    cache = IdentityCache(clock, ttl_s=3600)
    remember(cache, "cookie")
    clock.now += 59.9
    assert cache.get("nextauth", "cookie") is ANN
    clock.now += 0.1
    assert cache.get("nextauth", "cookie") is None
    assert len(cache) == 0


def test_it_is_forgotten_when_the_proof_ends(cache: IdentityCache, clock: Clock) -> None:
    remember(cache, "cookie", replace(ANN, valid_until=clock.now + 5))
    clock.now += 5
    assert cache.get("nextauth", "cookie") is None


def test_an_ended_proof_is_not_remembered(cache: IdentityCache, clock: Clock) -> None:
    remember(cache, "cookie", replace(ANN, valid_until=clock.now))
    assert len(cache) == 0


def test_a_ttl_of_zero_remembers_nothing(clock: Clock) -> None:
    cache = IdentityCache(clock, ttl_s=0)
    remember(cache, "cookie")
    assert len(cache) == 0


def test_a_dropped_proof_is_gone_with_all_its_credentials(cache: IdentityCache) -> None:
    remember(cache, "cookie")
    remember(cache, "the same cookie, chunked")
    remember(cache, "bob's", BOB)
    cache.drop("session-1")
    assert cache.get("nextauth", "cookie") is None
    assert cache.get("nextauth", "the same cookie, chunked") is None
    assert cache.get("nextauth", "bob's") is BOB


@pytest.mark.parametrize("drop", [lambda c: c.drop("session-1"), lambda c: c.drop_all()])
def test_a_look_up_that_began_before_a_revocation_is_not_kept(
    cache: IdentityCache, drop: Callable[[IdentityCache], None]
) -> None:
    before = cache.generation
    drop(cache)
    cache.put("nextauth", "cookie", ANN, before)
    assert cache.get("nextauth", "cookie") is None


def test_drop_all_leaves_nothing(cache: IdentityCache) -> None:
    remember(cache, "cookie")
    cache.drop_all()
    assert len(cache) == 0
    cache.drop("session-1")


def test_it_stays_bounded_and_the_oldest_go_first(clock: Clock) -> None:
    cache = IdentityCache(clock, max_entries=3)
    for number in range(10):
        remember(cache, f"cookie {number}", replace(ANN, proof_id=f"session-{number % 4}"))
    assert len(cache) == 3
    assert cache.get("nextauth", "cookie 6") is None
    assert cache.get("nextauth", "cookie 7") is not None


def test_putting_again_replaces(cache: IdentityCache) -> None:
    remember(cache, "cookie", ANN)
    remember(cache, "cookie", BOB)
    cache.drop("session-1")
    assert cache.get("nextauth", "cookie") is BOB


def test_no_credential_shows_in_it(cache: IdentityCache) -> None:
    remember(cache, "a-secret-cookie")
    assert "a-secret-cookie" not in repr(cache)
