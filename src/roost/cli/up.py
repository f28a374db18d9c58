"""`roost up`: everything on one machine, from nothing to a first trace.

It runs the keeper as its child and the gateway in its own process, restarts a keeper that dies,
and ends both on Ctrl-C.
"""

import asyncio
from collections.abc import Iterator

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from roost.cells.environment import TESTED_PHOENIX
from roost.cells.installed import phoenix_version
from roost.cli.child import keeper_child
from roost.cli.console import err, out
from roost.cli.gateway import server_config, stop_on_signals, taken_port
from roost.cli.link import new_link
from roost.cli.loop import run
from roost.cli.snippet import first_trace
from roost.errors import ConfigError, RoostError
from roost.http import messages as m
from roost.http.guard import is_loopback
from roost.http.keeper_client import KeeperClient
from roost.http.messages import socket_path
from roost.http.serving import QuietServer
from roost.settings import Settings, load_settings

FIRST_TENANT = "default"
KEY_NAME = "roost up"


def up() -> None:
    """Run Roost: keeper, first cell, gateway, and what you need for a first trace."""
    settings = load_settings()
    findings = [*taken_port(settings), *_missing_phoenix()]
    if findings:
        raise ConfigError(findings)
    run(run_all(settings))


async def run_all(settings: Settings) -> None:
    from roost.gateway import Roost  # with all its libraries: not for every command

    server = QuietServer(server_config(settings, Roost(settings, keeper="running")))
    stopping = stop_on_signals(server)
    async with keeper_child(settings, stopping):
        if not stopping.is_set():
            await _serve(settings, server)
        err.print("Stopping ...")


async def _serve(settings: Settings, server: QuietServer) -> None:
    """Until the server is told to stop; meanwhile the first cell wakes."""
    async with KeeperClient(socket_path(settings.data_dir)) as keeper:
        greeting = asyncio.create_task(_greet(settings, keeper))
        greeting.add_done_callback(_tell_failure)
        await server.serve()
        greeting.cancel()
        await asyncio.gather(greeting, return_exceptions=True)


async def _greet(settings: Settings, keeper: KeeperClient) -> None:
    """Wake the first cell with progress, then say how to go on."""
    tenant = await _first_tenant(keeper)
    await _wake(keeper, tenant)
    key = await keeper.ask(
        "keys/create", m.MintedKey, m.NewKey(tenant.slug, ["ingest"], name=KEY_NAME)
    )
    base = f"http://{settings.host}:{settings.port}{settings.base_path}"
    rows = [("Send spans to", f"{base}/v1/traces"), ("with the key", key.key)]
    if is_loopback(settings.host):
        rows.insert(0, ("Sign in, once", await new_link(settings, keeper)))
    out.rule("Roost is up", align="left")
    for label, text in rows:
        # Whole lines, however narrow the window: they are there to be copied.
        out.print(f"{label:<14} {text}", markup=False, soft_wrap=True)
    out.print("\nA first trace, from a second shell in this folder:\n", style="bold")
    out.print(first_trace(f"{base}/v1/traces", key.key), markup=False, soft_wrap=True)
    out.print("\nCtrl-C stops everything; the data stays.", style="dim")


async def _first_tenant(keeper: KeeperClient) -> m.TenantRow:
    tenants = await keeper.ask("tenants/list", list[m.TenantRow])
    if tenants:
        return tenants[0]
    return await keeper.ask("tenants/create", m.TenantRow, m.NewTenant(FIRST_TENANT))


async def _wake(keeper: KeeperClient, tenant: m.TenantRow) -> None:
    """Ask for the service's own way in until there is one, showing what happens meanwhile."""
    asked = m.Person(tenant_id=tenant.id, issuer="", subject="", name="", role=None, is_key=False)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
    ) as progress:
        task = progress.add_task("Starting Phoenix", total=None)
        last = ""
        while isinstance(state := await keeper.route(asked), m.Waking):
            progress.update(task, description=state.phase)
            if state.phase != last and not err.is_terminal:
                err.print(f"{state.phase} ...", markup=False)
            last = state.phase
            await asyncio.sleep(0.2)


def _tell_failure(greeting: "asyncio.Task[None]") -> None:
    if not greeting.cancelled() and (error := greeting.exception()) is not None:
        text = error.message if isinstance(error, RoostError) else repr(error)
        err.print(
            f"Could not start the first cell: {text}\nRoost goes on; `roost cells status` "
            "and `roost doctor` tell more.",
            style="red",
            markup=False,
        )


def _missing_phoenix() -> Iterator[str]:
    found = phoenix_version()
    if not found:
        yield (
            "Phoenix is not installed beside Roost. `make up` installs it; by hand it is "
            f"`pip install 'arize-phoenix[pg]=={TESTED_PHOENIX[-1]}'`."
        )
    elif found not in TESTED_PHOENIX:
        err.print(
            f"Phoenix {found} was never tested with this Roost (tested: "
            f"{', '.join(TESTED_PHOENIX)}); unknown calls are refused.",
            style="yellow",
        )
