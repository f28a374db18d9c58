"""`roost events import`: old log lines become events.

Rule: a line is imported once however often the file is, and one that cannot be is kept beside it
with its number and the reason.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer
from rich.progress import Progress, TaskID

from roost.analytics.events import Batch, Event, Fault, Rejected
from roost.analytics.lines import Fields, LogFile, fingerprint_of
from roost.analytics.store import Taken
from roost.cli.connection import with_keeper
from roost.cli.console import err, out, print_json
from roost.cli.tenants import Json
from roost.errors import NotFound, Unavailable
from roost.http import messages as m
from roost.http.event_desk import EventClient
from roost.http.keeper_client import KeeperClient
from roost.model import TenantId

BATCH_LINES = 500
LINE_BYTES_MAX = 1024 * 1024
SHOWN_MAX = 10
TRIES = 20

app = typer.Typer(no_args_is_help=True)


class Imported(msgspec.Struct):
    """How many lines became what."""

    lines: int = 0
    imported: int = 0
    already_there: int = 0
    withheld: int = 0
    rejected: int = 0
    rejected_file: str = ""


@app.callback()
def events() -> None:
    """What the host tracks."""


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="One JSON object a line.", exists=True, dir_okay=False)
    ],
    tenant: Annotated[str, typer.Option(help="The tenant's slug.")],
    map_: Annotated[
        str,
        typer.Option("--map", help="Where a line keeps what: `name=event,user=userId,time=ts`."),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and judge; change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Import old log lines as events; doing it again adds nothing.

    Lines that cannot be events are told by number and kept in FILE.rejected.jsonl.
    """
    fields = Fields.parse(map_)
    if dry_run:
        done = asyncio.run(_Import(file, fields).run(None))
    else:
        done = with_keeper(lambda keeper: import_file(file, fields, keeper, tenant))
    if json:
        print_json(done)
    else:
        out.print(_summary(done, dry_run), markup=False)


async def import_file(file: Path, fields: Fields, keeper: KeeperClient, slug: str) -> Imported:
    tenants = await keeper.ask("tenants/list", list[m.TenantRow])
    found = next((one for one in tenants if one.slug == slug), None)
    if found is None:
        raise NotFound(f"There is no tenant {slug!r}; see `roost tenants list`.")
    sink = _Sink(EventClient(keeper), TenantId(found.id))
    return await _Import(file, fields).run(sink)


@dataclass(frozen=True, slots=True)
class _Sink:
    client: EventClient
    tenant_id: TenantId

    async def add(self, batch: Batch) -> Taken:
        """Waits where the keeper asks for it."""
        for _ in range(TRIES):
            try:
                return await self.client.add(self.tenant_id, batch)
            except Unavailable as error:
                refused = error
                await asyncio.sleep(refused.retry_after_s or 1)
        raise refused


@dataclass(slots=True)
class _Import:
    file: Path
    fields: Fields
    done: Imported = field(default_factory=Imported)
    _rejects: IO[bytes] | None = None

    async def run(self, sink: _Sink | None) -> Imported:
        """Without a sink all is read and judged, and nothing changed."""
        rejects = self.file.with_name(self.file.name + ".rejected.jsonl")
        with ExitStack() as stack:
            source = stack.enter_context(self.file.open("rb"))
            if sink is not None:
                self._rejects = stack.enter_context(rejects.open("wb"))
            progress = stack.enter_context(Progress(console=err, transient=True))
            bar = progress.add_task(self.file.name, total=os.fstat(source.fileno()).st_size)
            await self._read(source, sink, progress, bar)
        if sink is not None and not self.done.rejected:
            rejects.unlink()
        self.done.rejected_file = str(rejects) if sink and self.done.rejected else ""
        return self.done

    async def _read(
        self, source: IO[bytes], sink: _Sink | None, progress: Progress, bar: TaskID
    ) -> None:
        log_file: LogFile | None = None
        for batch in _batches(source):
            if log_file is None:
                log_file = LogFile(fingerprint_of(batch[0][1]), self.fields)
            await self._take(log_file, dict(batch), sink)
            progress.update(bar, completed=source.tell())

    async def _take(self, log_file: LogFile, lines: dict[int, bytes], sink: _Sink | None) -> None:
        events: dict[int, Event] = {}
        rejected: list[Rejected] = []
        for number, line in lines.items():
            try:
                events[number] = log_file.read(number, _whole(line))
            except Fault as fault:
                rejected.append(Rejected(number, "", str(fault)))
        if sink is None:
            self.done.imported += len(events)
        elif events:
            batch = Batch(tuple(events.values()), tuple(events), (), ())
            taken = await sink.add(batch)
            self.done.imported += len(taken.accepted)
            self.done.already_there += len(taken.duplicate)
            self.done.withheld += len(taken.withheld)
            rejected += taken.rejected
        self.done.lines += len(lines)
        self._reject(sorted(rejected, key=lambda one: one.index), lines)

    def _reject(self, rejected: list[Rejected], lines: dict[int, bytes]) -> None:
        for one in rejected:
            if self.done.rejected < SHOWN_MAX:
                err.print(f"line {one.index}: {one.reason}", markup=False)
            self.done.rejected += 1
            text = lines[one.index].decode(errors="replace")
            kept = {"line": one.index, "reason": one.reason, "text": text}
            if self._rejects is not None:
                self._rejects.write(msgspec.json.encode(kept) + b"\n")


def _whole(line: bytes) -> bytes:
    if len(line) > LINE_BYTES_MAX:
        raise Fault(f"the line is longer than {LINE_BYTES_MAX} bytes")
    return line


def _batches(source: IO[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    """Lines with their numbers, blank ones left out."""
    batch: list[tuple[int, bytes]] = []
    for number, line in enumerate(_lines(source), start=1):
        if line.strip():
            batch.append((number, line))
        if len(batch) == BATCH_LINES:
            yield batch
            batch = []
    if batch:
        yield batch


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    """Without their ends; of one that is too long only a part is held, longer than allowed."""
    while line := source.readline(LINE_BYTES_MAX + 2):
        rest = line
        while not rest.endswith(b"\n") and (rest := source.readline(LINE_BYTES_MAX)):
            pass
        yield line.rstrip(b"\r\n")


def _summary(done: Imported, dry_run: bool) -> str:
    verb = "would be imported" if dry_run else "imported"
    parts = [f"{done.imported} {verb}"]
    parts += [f"{done.already_there} were there already"] if done.already_there else []
    parts += [f"{done.withheld} withheld for want of consent"] if done.withheld else []
    parts += [f"{done.rejected} rejected"] if done.rejected else []
    kept = f"; see {done.rejected_file}" if done.rejected_file else ""
    return f"{done.lines} lines: {', '.join(parts)}{kept}."
