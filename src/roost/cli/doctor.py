"""`roost doctor`: what is right, what is not, and the line that mends it."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import typer

from roost.cells.environment import TESTED_PHOENIX
from roost.cells.installed import phoenix_version
from roost.cli.console import out, print_json
from roost.cli.listeners import foreign_listeners
from roost.cli.tenants import Json
from roost.errors import ConfigError, RoostError
from roost.http import messages as m
from roost.http.guard import is_loopback
from roost.http.keeper_client import KeeperClient, answers
from roost.http.messages import socket_path
from roost.identity.finding import Finding
from roost.identity.mapping import missing_settings
from roost.identity.stability import changing_subjects
from roost.settings import Settings, load_settings


class Grade(StrEnum):
    GOOD = "good"
    NOTE = "note"
    BAD = "bad"


SIGNS = {Grade.GOOD: "[green]✓[/]", Grade.NOTE: "[yellow]![/]", Grade.BAD: "[red]✗[/]"}


@dataclass(frozen=True, slots=True)
class Line:
    """`fix` is what to do or paste; empty where nothing is to be done."""

    grade: Grade
    text: str
    fix: str = ""


def doctor(json: Json = False) -> None:
    """Look at this installation; exit code 1 where something is wrong."""
    try:
        lines = asyncio.run(_examine(load_settings()))
    except ConfigError as error:
        lines = [Line(Grade.BAD, finding) for finding in error.findings]
    if json:
        print_json([{"grade": line.grade, "text": line.text, "fix": line.fix} for line in lines])
    else:
        _show(lines)
    if any(line.grade is Grade.BAD for line in lines):
        raise typer.Exit(1)


def _show(lines: list[Line]) -> None:
    for line in lines:
        out.print(SIGNS[line.grade], end=" ")
        out.print(line.text, markup=False, soft_wrap=True)
        for text in line.fix.splitlines():
            out.print("    " + text, markup=False, soft_wrap=True, style="cyan")


async def _examine(settings: Settings) -> list[Line]:
    lines = [*_phoenix(), *_identity(settings), *_isolation(settings), *_exposure(settings)]
    if not await answers(socket_path(settings.data_dir)):
        return [*lines, Line(Grade.NOTE, "no keeper runs", "make up, or `roost keeper`")]
    async with KeeperClient(socket_path(settings.data_dir)) as keeper:
        try:
            return [*lines, *await _keeper(keeper)]
        except RoostError as error:
            return [*lines, Line(Grade.BAD, f"the keeper does not answer well: {error.message}")]


def _phoenix() -> Iterator[Line]:
    found = phoenix_version()
    if not found:
        yield Line(
            Grade.NOTE,
            "Phoenix is not installed here: attached cells only",
            f"pip install 'arize-phoenix[pg]=={TESTED_PHOENIX[-1]}'",
        )
    elif found in TESTED_PHOENIX:
        yield Line(Grade.GOOD, f"Phoenix {found}, tested with this Roost")
    else:
        tested = ", ".join(TESTED_PHOENIX)
        yield Line(Grade.BAD, f"Phoenix {found} is not tested (tested: {tested})")


def _identity(settings: Settings) -> Iterator[Line]:
    if not settings.nextauth_secrets:
        yield Line(
            Grade.NOTE,
            "the app's own sessions are not read: no nextauth_secrets",
            'nextauth_secrets = ["env:AUTH_SECRET"]',
        )
        return
    from roost.gateway import identity_mapping  # with all its libraries: not for every command

    findings = missing_settings(identity_mapping(settings))
    yield from _told(findings)
    if not findings:
        yield Line(Grade.GOOD, f"sessions of Auth.js {settings.nextauth_version} are read")


def _told(findings: tuple[Finding, ...]) -> Iterator[Line]:
    for finding in findings:
        yield Line(Grade.BAD, finding.reason, finding.fix)


def _isolation(settings: Settings) -> Iterator[Line]:
    yield Line(
        Grade.NOTE,
        f"isolation level `{settings.isolation}`: a process and a database each; for tenants that "
        "trust each other, such as teams. Customers of customers need an attached cell each, in "
        "a container (SECURITY.md).",
    )
    reach = ", ".join(settings.egress_allow) or "nothing"
    yield Line(Grade.GOOD, f"cells may reach {reach} (egress_allow)")


def _exposure(settings: Settings) -> Iterator[Line]:
    if is_loopback(settings.host):
        yield Line(Grade.GOOD, f"listens on loopback alone ({settings.host}:{settings.port})")
    elif not (settings.public_url or settings.allowed_hosts):
        yield Line(
            Grade.BAD,
            "no host name is answered: neither public_url nor allowed_hosts is set",
            'public_url = "https://app.example.com"',
        )
    yield Line(
        Grade.NOTE,
        "Phoenix's pages run in the app's own origin: their JavaScript could act as the app's "
        "user. Frame them only for people whom the app trusts.",
    )


async def _keeper(keeper: KeeperClient) -> list[Line]:
    status = await keeper.ask("status", m.Status)
    lines = [Line(Grade.GOOD, f"keeper {status.pid} on {status.data_dir}, {status.phase}")]
    for row in await keeper.ask("cells/list", list[m.CellRow]):
        grade = Grade.BAD if row.state == "failed" else Grade.GOOD
        lines.append(Line(grade, f"cell of {row.tenant}: {row.state} {row.detail}".rstrip()))
        lines += [
            Line(Grade.BAD, f"the cell of {row.tenant} listens on {address}")
            for address in (foreign_listeners(row.pid) if row.pid else ())
        ]
    sightings = await keeper.ask("sightings/list", list[tuple[str, str, float]])
    lines += _told(tuple(changing_subjects(sightings, time.time())))
    return lines
