"""Taking turns at questions, and what the times come to.

Absolute times move with the machine; the rows of one run compare. CPU is the servers' own, from
/proc: it moves less where others work on the machine too.
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

IDLE_SHARE, IDLE_WITHIN_S = 0.05, 120.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

Ask = Callable[[], object]


def ratio(more: float, less: float) -> float:
    """nan where the lesser is too little to be measured."""
    return more / less if less > 0 else math.nan


@dataclass(frozen=True, slots=True)
class Timing:
    """`cpu_ms` is a mean. Where there was no answer in time the medians are infinite, and it is
    what was spent until then."""

    p50_ms: float
    p95_ms: float
    cpu_ms: float = math.nan
    rounds: int = 0

    @property
    def is_answered(self) -> bool:
        return math.isfinite(self.p50_ms)


@dataclass(frozen=True, slots=True)
class Contestant:
    """Raises TimeoutError where there is no answer in time. No new round begins after `limit_s`."""

    ask: Ask
    rounds: int
    limit_s: float
    pids: Sequence[int] = ()


def measured(contestant: Contestant) -> tuple[Timing, object]:
    """One ask to warm up, whose answer is given back; then the rounds."""
    cpu = cpu_s(contestant.pids)
    try:
        answer = contestant.ask()
        return _rounds(contestant), answer
    except TimeoutError:
        spent = cpu_s(contestant.pids) - cpu
        _until_idle(contestant)
        return Timing(math.inf, math.inf, spent * 1e3), None


def _until_idle(contestant: Contestant) -> None:
    """A server works on for whoever has left; the next question must not pay for it."""
    ends, before = time.monotonic() + IDLE_WITHIN_S, -math.inf
    while (now := cpu_s(contestant.pids)) - before > IDLE_SHARE and time.monotonic() < ends:
        before = now
        time.sleep(1.0)


def _rounds(contestant: Contestant) -> Timing:
    cpu, began, taken = cpu_s(contestant.pids), time.perf_counter(), list[float]()
    while len(taken) < contestant.rounds:
        asked = time.perf_counter()
        if taken and asked - began > contestant.limit_s:
            break
        contestant.ask()
        taken.append((time.perf_counter() - asked) * 1e3)
    spent = (cpu_s(contestant.pids) - cpu) / len(taken) * 1e3 if contestant.pids else math.nan
    taken.sort()
    return Timing(_at(taken, 0.5), _at(taken, 0.95), spent, len(taken))


def _at(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def cpu_s(pids: Sequence[int]) -> float:
    """Of all their threads, since they began."""
    return sum(_cpu_s(pid) for pid in pids)


def _cpu_s(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def children() -> set[int]:
    """Processes that this one has started and that still run."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {pid for pid in pids if _parent(pid) == os.getpid()}


def _parent(pid: int) -> int:
    try:
        return int(_stat(pid)[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has ended meanwhile


def _stat(pid: int) -> list[str]:
    """What follows the name: state, parent, …"""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
