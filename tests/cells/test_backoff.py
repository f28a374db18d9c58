from hypothesis import given
from hypothesis import strategies as st

from roost.cells.backoff import LONGEST_S, WELL_AFTER_S, Backoff


@given(st.lists(st.floats(0, 59), max_size=40), st.floats(0, 1))
def test_the_first_failure_costs_nothing_and_none_more_than_the_longest(
    lived_s: list[float], chance: float
) -> None:
    backoff = Backoff(lambda: chance)
    pauses = [backoff.failed(after_s=seconds) for seconds in lived_s]
    assert pauses[:1] in ([], [0.0])
    assert all(0.5 <= pause <= LONGEST_S for pause in pauses[1:])
    assert pauses == sorted(pauses)


def test_chance_takes_away_up_to_half() -> None:
    backoff = Backoff(lambda: 0.0)
    assert [backoff.failed(after_s=0) for _ in range(3)] == [0.0, 0.5, 1.0]


def test_what_ran_well_begins_anew() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.failed(after_s=0)
    assert backoff.failed(after_s=WELL_AFTER_S) == 0.0
