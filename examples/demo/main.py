"""The demo: two tenants, a host page with a sign-in of its own, recorded traces, one command.

`make demo`. It keeps its data in `.roost-demo`; a second start finds it again.
"""

import argparse
import asyncio
import contextlib
import secrets
from pathlib import Path

import uvicorn
from examples.demo.ask import asking
from examples.demo.host import BASE, PEOPLE, create_app
from examples.demo.replay import replay
from pydantic import SecretStr

from roost import Roost
from roost.cli.child import keeper_child
from roost.cli.gateway import stop_on_signals
from roost.errors import BadRequest
from roost.http import messages as m
from roost.http.keeper_client import KeeperClient
from roost.http.messages import socket_path
from roost.http.serving import QuietServer
from roost.settings import Settings

TENANTS = sorted({person.tenant for person in PEOPLE.values()})


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--port", type=int, default=8430)
    parser.add_argument("--data-dir", type=Path, default=Path(".roost-demo"))
    options = parser.parse_args()
    secret = secrets.token_urlsafe(48)
    settings = Settings(
        data_dir=options.data_dir.resolve(),
        port=options.port,
        nextauth_secrets=(SecretStr(secret),),
        tenant_claim="tenant",
        role_claim="role",
    )
    asyncio.run(run(settings, secret))


async def run(settings: Settings, secret: str) -> None:
    """Until Ctrl-C."""
    origin = f"http://{settings.host}:{settings.port}"
    keys: dict[str, str] = {}
    roost = Roost(settings, keeper="running")
    app = create_app(roost, secret, ask=asking(origin + BASE, keys))
    server = QuietServer(
        uvicorn.Config(
            app, host=settings.host, port=settings.port, access_log=False, log_level="warning"
        )
    )
    stopping = stop_on_signals(server)
    async with keeper_child(settings, stopping):
        if not stopping.is_set():
            await serve(settings, server, origin, keys)


async def serve(settings: Settings, server: QuietServer, origin: str, keys: dict[str, str]) -> None:
    async with KeeperClient(socket_path(settings.data_dir)) as keeper:
        filling = asyncio.create_task(fill(keeper, origin, keys))
        filling.add_done_callback(lambda task: task.cancelled() or task.result())
        await server.serve()
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)


async def fill(keeper: KeeperClient, origin: str, keys: dict[str, str]) -> None:
    """A key for each tenant, and its recorded traces; a day's second start sends nothing new."""
    for tenant in TENANTS:
        keys[tenant] = await _ingest_key(keeper, tenant)
        spans = await asyncio.to_thread(replay, tenant, origin + BASE, keys[tenant])
        print(f"{tenant}: {spans} recorded spans sent", flush=True)
    print(f"\nOpen {origin} and sign in as Ann (acme) or Bob (globex). Ctrl-C stops.", flush=True)


async def _ingest_key(keeper: KeeperClient, tenant: str) -> str:
    with contextlib.suppress(BadRequest):  # it is there from an earlier start
        await keeper.ask("tenants/create", m.TenantRow, m.NewTenant(tenant))
    new = m.NewKey(tenant, ["ingest"], name="demo")
    return (await keeper.ask("keys/create", m.MintedKey, new)).key


if __name__ == "__main__":
    main()
