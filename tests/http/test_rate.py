"""Who calls too often waits; nobody else does."""

import pytest

from roost.errors import Unavailable
from roost.http.rate import Rate


def test_the_call_over_the_rate_is_told_how_long_to_wait() -> None:
    rate = Rate(per_minute=3)
    for _ in range(3):
        rate.check("key-1")
    with pytest.raises(Unavailable) as refused:
        rate.check("key-1")
    assert refused.value.status == 429
    assert 1 <= refused.value.retry_after_s <= 60
    assert "key-1" not in refused.value.message


def test_one_who_calls_too_often_is_nobody_elses_trouble() -> None:
    rate = Rate(per_minute=1)
    rate.check("key-1")
    rate.check("key-2")
