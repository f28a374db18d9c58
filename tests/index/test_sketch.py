import math

from hypothesis import given
from hypothesis import strategies as st

from roost.index import sketch

latencies = st.lists(st.integers(min_value=1, max_value=70_000_000_000), min_size=1, max_size=60)


def sketched(values: list[int]) -> int:
    return sum(sketch.one(value) for value in values)


@given(latencies, latencies)
def test_two_sketches_merge_into_the_sketch_of_both(one: list[int], other: list[int]) -> None:
    assert sketched(one) + sketched(other) == sketched(one + other)


@given(latencies, latencies)
def test_what_was_merged_is_taken_out_again(one: list[int], other: list[int]) -> None:
    assert sketched(one + other) - sketched(other) == sketched(one)


@given(latencies)
def test_a_sketch_is_stored_and_read_back(values: list[int]) -> None:
    assert sketch.unpacked(sketch.packed(sketched(values))) == sketched(values)


def test_an_empty_sketch_takes_no_room() -> None:
    assert sketch.packed(sketch.EMPTY) == b""
    assert sketch.unpacked(b"") == sketch.EMPTY


@given(latencies, st.floats(min_value=0.01, max_value=1.0))
def test_a_quantile_is_within_the_stated_error(values: list[int], share: float) -> None:
    true = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    (found,) = sketch.quantiles(sketched(values), [share])
    assert found is not None
    assert abs(found - true) <= sketch.RELATIVE_ERROR * true + 1e-6


@given(st.lists(st.integers(min_value=-(10**9), max_value=10**15), min_size=1, max_size=20))
def test_what_is_out_of_range_counts_at_its_end(values: list[int]) -> None:
    low, high = sketch.quantiles(sketched(values), [0.0, 1.0])
    assert low is not None
    assert high is not None
    assert low <= high


def test_nothing_has_no_quantiles() -> None:
    assert sketch.quantiles(sketch.EMPTY, [0.5, 0.9]) == [None, None]


def test_a_lane_holds_four_billion() -> None:
    many = sketch.one(1_000) * (2**32 - 1)
    assert (
        sketch.quantiles(many + sketch.one(5_000_000), [0.999])[0]
        == sketch.quantiles(sketch.one(1_000), [0.5])[0]
    )
