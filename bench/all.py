"""Every bench in turn, with one table at the end.

    .venv/bin/python -m bench.all            # some two hours; `make bench`
    .venv/bin/python -m bench.all --quick    # whether they run, nothing more
    .venv/bin/python -m bench.all reads log  # these alone

Rule: each bench is a process of its own, its output passed on as it is. A bench that misses a
target says so in its last lines and ends with 1; that ends this with 1 only under --strict, but a
bench that fails always does.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FAILED = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class Bench:
    """`quick` is None where no few seconds would do: the reason stands in `slow`."""

    module: str
    what: str
    full: Sequence[str] = ()
    quick: Sequence[str] | None = ()
    slow: str = ""


BENCHES = (
    Bench("proxy", "forwarding", quick=("--rounds", "1", "--count", "100")),
    Bench("cells", "cells", ("--plain",), None, "starts Phoenix several times"),
    Bench("log", "the durable log", quick=("--rounds", "1", "--seconds", "0.1")),
    Bench("intake", "decoding and masking", quick=("--spans", "600", "--rounds", "1")),
    Bench("ingest", "bursts and forwarding", (), None, "sends for minutes"),
    Bench(
        "index",
        "the index alone",
        ("--spans", "100000", "500000"),
        None,
        "always holds a trace of 50,000 spans",
    ),
    Bench("api", "Roost's API", (), None, "always holds a trace of 10,000 spans"),
    Bench(
        "reads",
        "reads beside Phoenix",
        ("--spans", "100000", "500000", "--alone", "5000000"),
        ("--quick", "--alone", "1000"),
    ),
    Bench("live", "the live view", (), None, "always has 1,000 watchers"),
    Bench("track", "track()", (), ("--calls", "500", "--rate", "500")),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    bench: Bench
    took_s: float
    code: int
    said: str
    """What it printed, errors last."""

    @property
    def has_failed(self) -> bool:
        """A missed target is 1 without a traceback."""
        return self.code not in (0, 1) or FAILED in self.said

    @property
    def verdict(self) -> str:
        if self.has_failed:
            return f"FAILED ({self.code}): {self._last}"
        return "ran" if self.code == 0 else f"missed a target: {self._last}"

    @property
    def _last(self) -> str:
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def main() -> int:
    options = _options()
    found = [*outcomes(options.benches, quick=options.quick)]
    print("\n".join(table(found)))
    failed = any(one.has_failed for one in found)
    missed = any(one.code for one in found)
    return 1 if failed or (missed and options.strict) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [one.module for one in BENCHES]
    parser.add_argument("benches", nargs="*", metavar="bench", help=f"of {', '.join(names)}; all")
    parser.add_argument("--quick", action="store_true", help="seconds each, to see that they run")
    parser.add_argument("--strict", action="store_true", help="exit 1 where a target is missed")
    options = parser.parse_args()
    if unknown := set(options.benches) - set(names):
        parser.error(f"no bench of that name: {', '.join(sorted(unknown))}")
    return options


def outcomes(wanted: Sequence[str], *, quick: bool) -> Iterator[Outcome]:
    """Of those that are wanted, or of all; a quick run leaves out what takes long."""
    for one in BENCHES:
        if wanted and one.module not in wanted:
            continue
        arguments = one.quick if quick else one.full
        if arguments is None:
            print(f"\n## {one.what}: left out, it {one.slow}\n", flush=True)
            continue
        print(f"\n## {one.what} (bench.{one.module} {' '.join(arguments)})\n", flush=True)
        yield run(one, arguments)


def run(one: Bench, arguments: Sequence[str]) -> Outcome:
    """Its output is shown as it comes."""
    began = time.monotonic()
    running = subprocess.Popen(
        [sys.executable, "-m", f"bench.{one.module}", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    with running:
        for line in running.stdout or ():
            print(line, end="", flush=True)
            said.append(line)
    return Outcome(one, time.monotonic() - began, running.returncode, "".join(said))


def table(found: Sequence[Outcome]) -> Iterator[str]:
    yield "\n| bench | minutes | |\n|---|---:|---|"
    for one in found:
        yield f"| {one.bench.what} | {one.took_s / 60:.1f} | {one.verdict} |"


if __name__ == "__main__":
    sys.exit(main())
