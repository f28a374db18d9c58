import math
import subprocess
from collections.abc import Iterator
from itertools import chain, repeat

from bench.timing import Contestant, children, measured, ratio


def test_the_first_answer_is_given_back_and_not_timed() -> None:
    answers: Iterator[str] = chain(["first"], repeat("later"))
    timing, answer = measured(Contestant(lambda: next(answers), rounds=3, limit_s=9.0))
    assert answer == "first"
    assert timing.rounds == 3


def test_no_round_begins_after_the_limit() -> None:
    timing, _ = measured(Contestant(lambda: None, rounds=1_000_000, limit_s=0.0))
    assert timing.rounds < 1_000_000


def test_no_answer_in_time_is_a_result() -> None:
    def ask() -> None:
        raise TimeoutError

    timing, answer = measured(Contestant(ask, rounds=3, limit_s=9.0))
    assert not timing.is_answered
    assert answer is None


def test_too_little_to_be_measured_gives_no_ratio() -> None:
    assert math.isnan(ratio(1.0, 0.0))
    assert ratio(6.0, 2.0) == 3.0


def test_its_own_processes_are_known() -> None:
    before = children()
    with (
        subprocess.Popen(["cat"], stdin=subprocess.PIPE) as one,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other,
    ):
        assert children() - before == {one.pid, other.pid}
