"""Which policies held when, and what was certainly sent by them."""

from roost.ingest.eras import Era, continued, encoded, eras_from, went_on
from roost.log.base import Position
from roost.policy.forwarding import EVERYTHING, ForwardPolicy, parse_policy

TRACE = bytes(15) + b"\x01"
ERRORS = {"*": parse_policy("errors")}


def sent(eras: list[Era], *places: int, failed: bool = False, project: str = "p") -> bool:
    return went_on(eras, TRACE, project, [Position(one) for one in places], failed=failed)


def test_a_home_without_a_past_has_always_had_its_policies() -> None:
    eras = continued([], ERRORS, Position(7))
    assert [era.after for era in eras] == [0]
    assert not sent(eras, 1)
    assert sent(eras, 1, failed=True)


def test_the_same_policies_go_on() -> None:
    eras = continued([], ERRORS, Position(0))
    assert continued(eras_from(encoded(eras)), ERRORS, Position(9)) == eras


def test_what_was_judged_by_others_is_judged_by_those() -> None:
    eras = continued(continued([], ERRORS, Position(0)), {}, Position(9))
    assert not sent(eras, 9)
    assert sent(eras, 10)
    assert not sent(eras, 9, 10)
    assert sent(eras, 9, 10, failed=True)


def test_policies_that_were_changed_before_anything_was_judged_by_them_are_forgotten() -> None:
    eras = continued(continued([], ERRORS, Position(0)), {}, Position(0))
    assert sent(eras, 1)


def test_the_first_pattern_that_fits_counts() -> None:
    eras = continued([], {"a-*": ForwardPolicy(), **ERRORS}, Position(0))
    assert sent(eras, 1, project="a-1")
    assert not sent(eras, 1, project="b-1")


def test_a_sampled_trace_was_sent() -> None:
    assert sent(continued([], {"*": parse_policy("sample:1")}, Position(0)), 1)
    assert not sent(continued([], {"*": parse_policy("sample:0")}, Position(0)), 1)


def test_nothing_is_known_of_what_stands_before_all_eras() -> None:
    assert not sent([Era(5, {"*": (EVERYTHING.choice.value, 1.0)})], 5)
