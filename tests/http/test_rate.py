"""Who calls too often waits; nobody else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import Unavailable
from roost.http import rate as module
from roost.http.rate import Rate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def allowed(rate: Rate, who: str = "key-1") -> bool:
    try:
        rate.check(who)
    except Unavailable:
        return False
    return True


def test_the_call_over_the_rate_is_told_how_long_to_wait() -> None:
    clock = Clock()
    rate = Rate(3, clock)
    for _ in range(3):
        rate.check("key-1")
    with pytest.raises(Unavailable) as refused:
        rate.check("key-1")
    assert refused.value.status == 429
    assert 1 <= refused.value.retry_after_s <= 120
    assert "key-1" not in refused.value.message


def test_one_who_calls_too_often_is_nobody_elses_trouble() -> None:
    rate = Rate(1, Clock())
    assert allowed(rate, "key-1")
    assert allowed(rate, "key-2")
    assert not allowed(rate, "key-1")


def test_a_new_window_is_no_new_allowance_at_once() -> None:
    clock = Clock()
    clock.now = 1019.9
    rate = Rate(10, clock)
    assert all(allowed(rate) for _ in range(10))
    clock.now = 1020.1
    assert not allowed(rate)
    clock.now = 1050.0
    assert [allowed(rate) for _ in range(6)] == [True] * 5 + [False]


@given(st.lists(st.floats(0, 90), max_size=60), st.integers(1, 20))
def test_after_the_wait_that_was_told_a_call_passes(pauses: list[float], per_minute: int) -> None:
    clock = Clock()
    rate = Rate(per_minute, clock)
    for pause in pauses:
        clock.now += pause
        try:
            rate.check("key-1")
        except Unavailable as refused:
            clock.now += refused.retry_after_s
            assert allowed(rate)


def test_names_are_not_kept_for_ever() -> None:
    rate = Rate(1, Clock())
    for number in range(module.NAMES_MAX + 1):
        rate.check(str(number))
    assert len(rate._now) <= module.NAMES_MAX
