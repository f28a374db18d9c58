"""`roost events import`, over a keeper's socket into a real home."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.analytics.homes import home, stored
from typer.testing import CliRunner

from roost.analytics.home import HomeEvents
from roost.analytics.lines import Fields
from roost.analytics.queries import EventQueries
from roost.analytics.store import EventStore
from roost.analytics.taking import Terms
from roost.cli import events as command
from roost.cli.events import BATCH_LINES, LINE_BYTES_MAX, Imported, import_file
from roost.errors import NotFound, Unavailable
from roost.http import messages as m
from roost.http.event_desk import AddEvents, EventDesk
from roost.http.keeper_client import KeeperClient
from roost.http.serving import listen_unix, serving
from roost.model import TenantId

FIELDS = Fields.parse("name=event,user=userId,time=ts")


def lines(count: int, start: int = 0) -> list[str]:
    return [
        json.dumps({"event": "opened", "userId": n % 7, "ts": 1_800_000_000 + n, "n": n})
        for n in range(start, start + count)
    ]


class Keeper:
    """What the command asks, answered from one home; refuses as often as it is told first."""

    def __init__(self, store: EventStore, refusals: int = 0) -> None:
        self.refusals = refusals
        self.store = store
        self._desk = EventDesk(self._events_of)

    async def _events_of(self, tenant_id: TenantId) -> HomeEvents:
        assert tenant_id == "t_acme"
        return HomeEvents(self.store, EventQueries(self.store.engine))

    async def tenants(self, _: None) -> list[m.TenantRow]:
        return [m.TenantRow("t_acme", "acme", "Acme")]

    async def add(self, asked: AddEvents) -> Any:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("later", retry_after_s=1, status=429)
        return await self._desk.add(asked)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/tenants/list", _endpoint(None, self.tenants), methods=["POST"]),
                Route("/events/add", _endpoint(AddEvents, self.add), methods=["POST"]),
            ]
        )


def _endpoint(
    question: type[Any] | None, work: Callable[[Any], Awaitable[Any]]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        content = await request.body()
        try:
            asked = msgspec.json.decode(content, type=question) if question else None
            return Response(msgspec.json.encode(await work(asked)))
        except Unavailable as error:
            refusal = m.Refusal("Unavailable", error.message, "", error.status, 1)
            return Response(msgspec.json.encode(refusal), error.status)

    return endpoint


@asynccontextmanager
async def keeper(
    folder: Path, terms: Terms | None = None, refusals: int = 0
) -> AsyncIterator[tuple[Keeper, KeeperClient]]:
    async with home(folder, terms) as store:
        one = Keeper(store, refusals)
        async with (
            serving(one.app(), listen_unix(folder / "s")),
            KeeperClient(folder / "s") as client,
        ):
            yield one, client


async def imported(folder: Path, client: KeeperClient, content: list[str]) -> Imported:
    file = folder / "old.jsonl"
    file.write_text("\n".join(content) + "\n")
    return await import_file(file, FIELDS, client, "acme")


def rejected_in(name: str) -> list[dict[str, Any]]:
    """What the file holds; nothing where there is none."""
    file = Path(name)
    return [json.loads(one) for one in file.read_text().splitlines()] if file.exists() else []


async def test_every_line_becomes_an_event_and_a_second_run_adds_nothing(tmp_path: Path) -> None:
    count = BATCH_LINES * 2 + 7
    async with keeper(tmp_path) as (one, client):
        first = await imported(tmp_path, client, lines(count))
        assert (first.lines, first.imported, first.rejected) == (count, count, 0)
        second = await imported(tmp_path, client, lines(count))
        assert (second.imported, second.already_there) == (0, count)
        assert len(await stored(one.store.engine)) == count


async def test_a_file_that_has_grown_adds_what_is_new(tmp_path: Path) -> None:
    async with keeper(tmp_path) as (_, client):
        await imported(tmp_path, client, lines(10))
        again = await imported(tmp_path, client, lines(10) + lines(5, 10))
        assert (again.imported, again.already_there) == (5, 10)


async def test_equal_lines_are_different_events(tmp_path: Path) -> None:
    async with keeper(tmp_path) as (_, client):
        done = await imported(tmp_path, client, lines(1) * 3)
        assert done.imported == 3


async def test_bad_lines_are_told_by_number_and_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = json.dumps({"event": "opened", "userId": 1, "ts": 1})
    long = json.dumps({"event": "opened", "n": "x" * LINE_BYTES_MAX})
    async with keeper(tmp_path, Terms(retention_days=90)) as (_, client):
        content = [lines(1)[0], "no json", "", old, long, *lines(1, 5)]
        done = await imported(tmp_path, client, content)
    assert (done.lines, done.imported, done.rejected) == (5, 2, 3)
    kept = rejected_in(done.rejected_file)
    assert [(one["line"], one["reason"][:20]) for one in kept] == [
        (2, "not a JSON object: J"),
        (4, "it is older than wha"),
        (5, "the line is longer t"),
    ]
    assert kept[0]["text"] == "no json"
    assert "line 2: not a JSON object" in capsys.readouterr().err


async def test_a_run_without_bad_lines_leaves_no_file_of_them(tmp_path: Path) -> None:
    async with keeper(tmp_path) as (_, client):
        bad = await imported(tmp_path, client, ["no json"])
        assert rejected_in(bad.rejected_file)
        await imported(tmp_path, client, lines(1))
        assert rejected_in(bad.rejected_file) == []


async def test_a_keeper_that_is_busy_is_waited_for(tmp_path: Path) -> None:
    async with keeper(tmp_path, refusals=1) as (_, client):
        assert (await imported(tmp_path, client, lines(3))).imported == 3


async def test_a_tenant_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with keeper(tmp_path) as (_, client):
        (tmp_path / "old.jsonl").write_text("{}")
        with pytest.raises(NotFound, match="'globex'"):
            await import_file(tmp_path / "old.jsonl", FIELDS, client, "globex")


def test_a_dry_run_judges_and_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "old.jsonl"
    file.write_text("\n".join([*lines(3), "no json"]))
    arguments = ["import", str(file), "--tenant", "acme", "--dry-run", "--map"]
    done = CliRunner().invoke(command.app, [*arguments, "name=event,user=userId,time=ts"])
    assert done.exit_code == 0, done.output
    assert "4 lines: 3 would be imported, 1 rejected." in done.output
    assert list(tmp_path.iterdir()) == [file]
