"""No acknowledged span is lost: rounds of kill -9 on a whole Roost with the real Phoenix, while
exporters send.

What Roost answered with 200 must be in Phoenix once, under its own trace, or be parked with a
reason, or belong to a deleted trace; and no deleted trace may come back. The state is a folder, so
that a run goes on where the last one ended. See docs/soak.md.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
from bench.soak_book import Book, Findings, Round, read_phoenix
from bench.soak_senders import Exporters, Tally
from bench.soak_victims import Village, schedule
from bench.traces import Traces
from tests.cells.stock_phoenix import free_port
from tests.installation import Installation

from roost.errors import RoostError
from roost.http import messages as m
from roost.http.keeper_client import KeeperClient
from roost.http.messages import socket_path

TENANT = "default"
ROUND_SPANS = 500
SENDERS = 6
PAUSE_S = 0.3
KILL_WITHIN_S = 1.0
SETTLE_EVERY = 20
CELL_PATIENCE_S, ROUND_PATIENCE_S, SETTLE_PATIENCE_S = 60.0, 240.0, 1_800.0
ENDS_CELLS = frozenset({"cell", "zygote", "all"})
SETTINGS = {"ROOST_REQUESTS_PER_MINUTE": "1000000"}


class Lost(Exception):
    """What was promised does not hold."""


@dataclass(slots=True)
class Soak:
    folder: Path
    book: Book
    roost: Installation
    village: Village
    exporters: Exporters
    keeper: KeeperClient
    draw: random.Random
    helpers: "list[asyncio.Task[None]]"
    """Senders and supervisor; none of them may end."""

    async def run(self, victims: list[str], rounds: int) -> None:
        """That many rounds more, of those that are left; settled and compared at the end."""
        done = len(self.book.rounds())
        for number in range(done + 1, min(done + rounds, len(victims)) + 1):
            await self._round(number, victims[number - 1])
            if number % SETTLE_EVERY == 0:
                await self.settle()
        await self.settle()

    async def _round(self, number: int, victim: str) -> None:
        await self._until_worth_it(victim)
        tally = self.exporters.tally = Tally()
        self.exporters.go()
        await asyncio.sleep(self.draw.uniform(0, KILL_WITHIN_S))
        is_before = self.draw.random() < 0.5
        if is_before:
            self.exporters.delete_one()
            await asyncio.sleep(self.draw.uniform(0, 0.1))
        pids = await self.village.until_there(victim, CELL_PATIENCE_S)
        tally.killed_at = time.monotonic()
        self.village.kill(pids)
        if not is_before:
            self.exporters.delete_one()
        deadline = tally.killed_at + ROUND_PATIENCE_S
        while tally.spans < ROUND_SPANS or not tally.answered:
            self._see_after_helpers()
            if tally.odd:
                raise Lost(f"round {number}: answers that no exporter repeats: {tally.odd}")
            if time.monotonic() > deadline:
                raise Lost(f"round {number}: no 200 within {ROUND_PATIENCE_S:.0f} s of the kill")
            await asyncio.sleep(0.05)
        self.exporters.pause()
        self.book.finished(Round(number, victim, tally.spans, tally.outage_s))
        await self._tell(f"{number:4} killed {victim:8} 200 again after {tally.outage_s:5.1f} s")

    async def _until_worth_it(self, victim: str) -> None:
        """What ends a cell is for nothing where it holds no spans in its memory; every fourth time
        whatever it does just then is good enough."""
        await self.village.until_there(victim, CELL_PATIENCE_S)
        if victim not in ENDS_CELLS or self.draw.random() < 0.25:
            return
        deadline = time.monotonic() + CELL_PATIENCE_S
        while time.monotonic() < deadline:
            row = await self._row()
            if row is not None and (row.unconfirmed or row.settled == row.received):
                return
            await asyncio.sleep(0.2)

    def _see_after_helpers(self) -> None:
        for task in self.helpers:
            if task.done():
                task.result()

    async def settle(self) -> None:
        """Everybody rests until all is where it belongs. Lost where it is not."""
        began = time.monotonic()
        await self.exporters.rest(ROUND_PATIENCE_S)
        await self.exporters.deletions(ROUND_PATIENCE_S)
        await self._until_settled(began + SETTLE_PATIENCE_S)
        findings, held, parked = await self._compared()
        took_s = time.monotonic() - began
        await self._tell(f"     settled in {took_s:.0f} s", (findings, held, parked))
        if findings.faults:
            raise Lost("; ".join(_said(*fault) for fault in findings.faults.items()))

    async def _until_settled(self, deadline: float) -> None:
        while True:
            row = await self._row()
            if row is not None and row.settled == row.received:
                return
            if time.monotonic() > deadline:
                raise Lost(f"not settled within {SETTLE_PATIENCE_S:.0f} s: {row}")
            await asyncio.sleep(1)

    async def _row(self) -> m.IngestRow | None:
        with contextlib.suppress(RoostError):
            rows = await self.keeper.ask("ingest/status", list[m.IngestRow], timeout_s=10)
            return next(row for row in rows if row.tenant == TENANT)
        return None

    async def _parked(self) -> dict[str, str]:
        """Reasons by span."""
        found: dict[str, str] = {}
        after = 0
        with contextlib.suppress(RoostError):
            while rows := await self.keeper.ask(
                "ingest/parked", list[m.ParkedRow], m.ParkedQuery(TENANT, after, 1_000)
            ):
                found.update((row.span_id, row.reason) for row in rows)
                after = rows[-1].id
        return found

    async def _compared(self) -> tuple[Findings, int, dict[str, str]]:
        parked = await self._parked()
        held, twice = await asyncio.to_thread(read_phoenix, self._database())
        return replace(self.book.compared(held, parked), twice=twice), len(held), parked

    def _database(self) -> Path:
        [home] = (self.roost.data_dir / "homes").iterdir()
        return home / "phoenix" / "phoenix.db"

    async def _tell(
        self, what: str, found: tuple[Findings, int, dict[str, str]] | None = None
    ) -> None:
        findings, held, parked = found or await self._compared()
        acknowledged, deleted = self.book.counts()
        print(
            f"{what} | {acknowledged:7} acknowledged, {held:7} in Phoenix, "
            f"{len(findings.pending):6} pending, {len(parked)} parked, {deleted} traces deleted",
            flush=True,
        )
        if always := findings.twice or findings.changed or findings.unasked:
            raise Lost(f"not what was sent: {always[:5]}")

    def verdict(self, total: int) -> None:
        rounds = self.book.rounds()
        if not rounds:
            return
        slowest = max(rounds, key=lambda one: one.outage_s)
        victims: dict[str, int] = {}
        for one in rounds:
            victims[one.victim] = victims.get(one.victim, 0) + 1
        print(
            f"\n{len(rounds)} of {total} rounds, {sum(one.spans for one in rounds)} spans in them"
        )
        print("killed: " + _counted(victims))
        print("started again: " + _counted(self.book.restarts()))
        print(
            f"longest from a kill to the next 200: {slowest.outage_s:.1f} s "
            f"(round {slowest.number}, {slowest.victim})"
        )


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))


def _said(name: str, spans: tuple[str, ...]) -> str:
    return f"{len(spans)} {name}: {', '.join(spans[:5])}"


@asynccontextmanager
async def soak_in(folder: Path, book: Book, seed: int) -> AsyncIterator[Soak]:
    """A Roost that lives on in the folder, and who sends to it and kills it."""
    port = int(book.fact("port", str(free_port())))
    roost = Installation(folder / "roost", port, SETTINGS)
    try:
        await asyncio.to_thread(roost.start)
    except AssertionError as error:
        raise SystemExit(f"Roost does not start: …{str(error)[-2_000:]}") from None
    run = len(book.rounds())
    draw = random.Random(f"{seed}:{run}")  # noqa: S311 - not a secret
    async with AsyncExitStack() as stack:
        stack.callback(roost.stop)
        key = book.fact("key") or await asyncio.to_thread(_new_key, roost)
        book.put("key", key)
        village = Village(roost, book.restarted)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        # Ids are new in every run, whatever the seed: a round may have been left half done.
        traces = Traces(random.SystemRandom().getrandbits(64))
        exporters = Exporters(roost.base, key, book, session, draw, traces)
        stack.push_async_callback(exporters.aclose)
        exporters.resume_deletions()
        keeper = await stack.enter_async_context(KeeperClient(socket_path(roost.data_dir)))
        work = [village.keep(), *(exporters.send_on(PAUSE_S) for _ in range(SENDERS))]
        helpers = [asyncio.create_task(one) for one in work]
        stack.push_async_callback(_ended, helpers)
        yield Soak(folder, book, roost, village, exporters, keeper, draw, helpers)


async def _ended(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _new_key(roost: Installation) -> str:
    while not roost.cells():
        time.sleep(1)
    return roost.key(TENANT, "admin", "ingest")


def _stop_on_signals() -> None:
    """Orderly, so that the next run goes on from here; also where a shell has us ignore Ctrl-C."""
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel if task else sys.exit)


async def run(folder: Path, total: int, rounds: int) -> None:
    with contextlib.closing(Book(folder / "book.db")) as book:
        seed = int(book.fact("seed", str(random.SystemRandom().getrandbits(32))))
        print(f"state {folder}, seed {seed}, {len(book.rounds())} of {total} rounds are done")
        _stop_on_signals()
        async with soak_in(folder, book, seed) as soak:
            try:
                await soak.run(schedule(seed, total), rounds)
            finally:
                soak.verdict(total)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total", type=int, default=200, help="rounds in all")
    parser.add_argument(
        "--rounds", type=int, default=int(os.environ.get("ROUNDS") or 200), help="at most now"
    )
    parser.add_argument("--state", type=Path, default=Path(tempfile.gettempdir()) / "roost-soak")
    options = parser.parse_args()
    folder = options.state.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(run(folder, options.total, options.rounds))
    except Lost as fault:
        print(f"LOST: {fault}", file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print("stopped; the next run goes on from here")
        return 130
    print("0 acknowledged spans lost, none twice, no deleted trace came back")
    return 0


if __name__ == "__main__":
    sys.exit(main())
