"""A record as a row and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.log.base import Entry, Kind, Position, Record
from roost.log.row import Row, Stamped, Torn, record_of, row_of, rows_of

bodies = st.binary(max_size=600) | st.binary(min_size=1, max_size=50).map(lambda part: part * 100)


@given(bodies, st.sampled_from(Kind), st.floats(0, 1e12))
def test_what_goes_in_comes_out(body: bytes, kind: Kind, at: float) -> None:
    assert record_of(row_of(Position(7), at, kind, body)) == Record(Position(7), at, kind, body)


def test_a_body_is_deflated_only_where_that_pays() -> None:
    *_, deflated, _, data = row_of(Position(1), 0.0, Kind.SPANS, b"again " * 1_000)
    assert deflated
    assert len(data) < 600
    noise = bytes((n * n * 7 + n) % 256 for n in range(150))
    assert row_of(Position(1), 0.0, Kind.SPANS, noise)[-1] is noise


@pytest.mark.parametrize("column", range(7))
def test_a_change_in_any_column_is_noticed(column: int) -> None:
    row = list(row_of(Position(1), 5.0, Kind.SPANS, b"again " * 1_000))
    others = [2, 6.0, "deletion", 9, False, 9, b"other"]
    row[column] = others[column]
    with pytest.raises(Torn, match=r"record [12] "):
        record_of(as_row(row))


@pytest.mark.parametrize("column", [1, 2, 3, 6])
def test_a_column_of_another_type_is_damage(column: int) -> None:
    row = list(row_of(Position(1), 5.0, Kind.SPANS, b"body"))
    row[column] = None
    with pytest.raises(Torn):
        record_of(as_row(row))


def as_row(columns: list[object]) -> Row:
    return tuple(columns)  # type: ignore[return-value]


def test_times_follow_the_clock_but_never_go_back() -> None:
    stamped = [Stamped(at, Entry(Kind.SPANS, b"")) for at in (3.0, 9.0, 4.0, 10.0)]
    rows = rows_of(stamped, Position(6), 5.0)
    assert [(row[0], row[1]) for row in rows] == [(7, 5.0), (8, 9.0), (9, 9.0), (10, 10.0)]
