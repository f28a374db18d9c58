"""`roost link`: a sign-in link for the operator of a loopback Roost."""

import asyncio

from roost.cli.connection import keeper_of
from roost.cli.console import out, print_json
from roost.cli.tenants import Json
from roost.errors import BadRequest
from roost.http import messages as m
from roost.http.guard import is_loopback
from roost.http.keeper_client import KeeperClient
from roost.identity import one_time_link
from roost.settings import Settings, load_settings


def link(json: Json = False) -> None:
    """Print a link that signs its first user in as admin of every tenant."""

    async def run() -> str:
        settings = load_settings()
        async with keeper_of(settings) as keeper:
            return await new_link(settings, keeper)

    url = asyncio.run(run())
    print_json({"url": url}) if json else out.print(url, markup=False, soft_wrap=True)


async def new_link(settings: Settings, keeper: KeeperClient) -> str:
    """Only for loopback: elsewhere a link that leaks is an open door."""
    if not is_loopback(settings.host):
        raise BadRequest(
            "A sign-in link exists only where Roost listens on loopback. Here people sign in "
            "through the app; `roost doctor` shows what is missing for that."
        )
    minted = one_time_link.mint()
    await keeper.ask("links/create", m.Done, m.NewLink(minted.hash, one_time_link.LINK_LIFETIME_S))
    return f"http://{settings.host}:{settings.port}{settings.base_path}/sign-in/{minted.token}"
