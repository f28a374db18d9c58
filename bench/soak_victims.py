"""Whom the soak kills, and who starts again what does not come back by itself.

Rule: a kill is SIGKILL, without warning; the keeper comes back by `roost up`, cell and zygote by
the keeper, and `roost up` by the supervisor here, at once and as often as it takes.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.processes import kind_of, tree
from tests.installation import Installation

SHARES = {"keeper": 60, "cell": 50, "gateway": 40, "zygote": 20, "all": 30}
"""Rounds of 200, by whom they kill; the gateway is in the process of `roost up`."""
CENSUS_S = 0.25
AGAIN_S = 0.5


def schedule(seed: int, rounds: int) -> list[str]:
    """Whom each round kills: the shares above in every 200, in an order of chance."""
    draw = random.Random(f"{seed}:schedule")  # noqa: S311 - not a secret
    victims: list[str] = []
    while len(victims) < rounds:
        lot = [victim for victim, count in SHARES.items() for _ in range(count)]
        draw.shuffle(lot)
        victims += lot
    return victims[:rounds]


@dataclass(slots=True)
class Village:
    """The processes of one Roost. `on_birth` hears the kind of each that was not there before."""

    roost: Installation
    on_birth: Callable[[str], None]
    _seen: set[int] = field(default_factory=set)

    def census(self) -> dict[str, int]:
        """Process ids by kind, parents first; of those that end just now some may be missing."""
        found: dict[str, int] = {}
        with suppress(OSError):
            for pid in tree(self.roost.process.pid):
                with suppress(OSError):
                    found["gateway" if (kind := kind_of(pid)) == "up" else kind] = pid
        return found

    def kill(self, victims: Sequence[int]) -> None:
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def until_there(self, victim: str, within_s: float) -> list[int]:
        """Whom to kill, once they are there; whoever is there where it takes too long."""
        deadline = time.monotonic() + within_s
        while True:
            there = self.census()
            wanted = list(there) if victim == "all" else [victim]
            if victim == "all" and "cell" not in there:
                wanted = []
            pids = [there[kind] for kind in wanted if kind in there]
            if pids or time.monotonic() > deadline:
                return pids or list(there.values())
            await asyncio.sleep(0.05)

    async def keep(self) -> None:
        """For ever: start `roost up` again when it ended, and count who is new."""
        while True:
            if self.roost.process.poll() is not None:
                self.roost.launch()
                await asyncio.sleep(AGAIN_S)
            for kind, pid in self.census().items():
                if pid not in self._seen:
                    self._seen.add(pid)
                    self.on_birth(kind)
            await asyncio.sleep(CENSUS_S)
