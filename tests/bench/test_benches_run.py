"""Benches are run by hand, so this sees to it that they still run: a few seconds each, and whatever
they measure is of no account here."""

from pathlib import Path

import pytest
from bench.all import BENCHES, ROOT, Bench, Outcome, outcomes, run, table

NO_BENCHES = {"all", "servers", "soak"}
"""The one that runs them, one that a bench starts, one with a target of its own in the Makefile."""
QUICK = [one for one in BENCHES if one.quick is not None]
LOG = next(one for one in BENCHES if one.module == "log")


@pytest.mark.parametrize("bench", QUICK, ids=lambda one: one.module)
def test_it_runs(bench: Bench) -> None:
    outcome = run(bench, bench.quick or ())
    assert not outcome.has_failed, outcome.said[-4000:]


def test_every_bench_is_among_them() -> None:
    programs = {path.stem for path in (ROOT / "bench").glob("*.py") if is_program(path)}
    assert programs - NO_BENCHES == {one.module for one in BENCHES}


def is_program(path: Path) -> bool:
    return 'if __name__ == "__main__":' in path.read_text()


def test_what_a_quick_run_leaves_out_has_a_reason() -> None:
    assert all(bool(one.slow) == (one.quick is None) for one in BENCHES)


def test_those_that_are_named_are_run_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert [*outcomes(["cells"], quick=True)] == []
    assert "left out, it starts Phoenix" in capsys.readouterr().out


def test_a_bench_that_raises_has_failed() -> None:
    outcome = run(LOG, ["--rounds", "0", "--seconds", "0.1"])
    assert outcome.has_failed
    assert outcome.verdict.startswith("FAILED")


def test_a_missed_target_is_no_failure() -> None:
    outcome = Outcome(LOG, 60.0, 1, "a table\nmissed: 9 ms, more than 8\n")
    assert not outcome.has_failed
    assert [*table([outcome])][-1] == (
        "| the durable log | 1.0 | missed a target: missed: 9 ms, more than 8 |"
    )
