"""What a cell costs: how long until its first byte, and how much memory of its own.

A whole Roost on loopback, stopped at the end. Beside it, in the same run, Phoenix started plainly
(`--plain`), as whoever runs one by hand does.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.cells.stock_phoenix import free_port, phoenix, until
from tests.installation import Installation

TARGETS = {"start": 3.0, "first start": 5.0, "memory": 130.0, "zygote": 40.0}
IDLE_S = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plain", action="store_true", help="measure a plain Phoenix too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), options.rounds)
        if options.plain:
            print(f"plain `phoenix serve`, ready            {plain(Path(folder)):6.1f} s")
    missed = [name for name, value in figures.items() if value > TARGETS[name]]
    print("missed: " + ", ".join(missed) if missed else "all targets reached")
    return 1 if missed else 0


def measure(folder: Path, rounds: int) -> dict[str, float]:
    roost = Installation(folder / "data", free_port(), {})
    began = time.monotonic()
    roost.start()
    try:
        _await_first_cell(roost)
        zygote = time.monotonic() - began
        first = [_first_byte(roost, f"new-{number}") for number in range(rounds)]
        again = [_again(roost, f"new-{number}") for number in range(rounds)]
        time.sleep(IDLE_S)
        memory = [_private_mb(int(str(row["pid"]))) for row in roost.cells().values() if row["pid"]]
    finally:
        roost.stop()
    figures = {
        "zygote": zygote,
        "first start": statistics.median(first),
        "start": statistics.median(again),
        "memory": statistics.median(memory),
    }
    print(f"`roost up` until its first cell answers {figures['zygote']:6.1f} s")
    print(f"new tenant, first HTML byte (p50)       {figures['first start']:6.2f} s")
    print(f"sleeping cell, first HTML byte (p50)    {figures['start']:6.2f} s")
    print(f"an idle cell's own memory (p50)         {figures['memory']:6.0f} MB")
    return figures


def _await_first_cell(roost: Installation) -> None:
    """`roost up` wakes one by itself."""
    until(lambda: roost.cells().get("default", {}).get("state") == "up", "a cell was up", 120)


def _first_byte(roost: Installation, slug: str) -> float:
    roost.tenant(slug)
    return _again(roost, slug, stop=False)


def _again(roost: Installation, slug: str, *, stop: bool = True) -> float:
    """Seconds from the request to the first byte of the UI's page, of a cell that sleeps."""
    if stop:
        roost.cli("cells", "stop", slug)
    with roost.client(roost.cookie("Ann", slug, "viewer")) as client:
        began = time.monotonic()
        # Without an Accept for HTML it is no page load, which would be shown the progress.
        answer = client.get(f"/ui/{slug}/", headers={"accept": "*/*"})
        answer.raise_for_status()
        return time.monotonic() - began


def _private_mb(pid: int) -> float:
    """What would be free again without the process: private pages, shared ones left out."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    sizes = [int(line.split()[1]) for line in rollup if line.startswith("Private_")]
    return sum(sizes) / 1024


def plain(folder: Path) -> float:
    began = time.monotonic()
    port = free_port()
    environment = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
    }
    with phoenix(environment, f"http://127.0.0.1:{port}", folder / "phoenix.log"):
        return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
