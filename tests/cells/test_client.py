import re

import aiohttp
import pytest
from tests.cells.signed_cell import SignedCell, user

from roost.errors import Unavailable
from roost.model import Role


async def test_the_version_is_phoenix_s_own(signed_cell: SignedCell) -> None:
    async with signed_cell.client() as client:
        assert (await client.version()).startswith("20.")


async def test_the_right_cell_proves_itself(signed_cell: SignedCell) -> None:
    async with signed_cell.client() as client:
        await client.prove()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"secret": "secret-of-another-cell-0123456789abcdef"}, "does not know this cell's"),
        ({"admin_secret": "secret-of-another-cell-0123456789"}, "admin secret .* 401"),
        ({"client_id": "roost-t-globex"}, "another client"),
        ({"address": "http://127.0.0.1:9"}, "ClientConnectorError"),
    ],
    ids=["secret", "admin secret", "client", "nobody there"],
)
async def test_another_peer_is_told_from_it(
    signed_cell: SignedCell, changes: dict[str, str], reason: str
) -> None:
    async with signed_cell.client(**changes) as client:
        with pytest.raises(Unavailable) as refused:
            await client.prove()
    assert re.search(reason, refused.value.reason)
    assert refused.value.reason not in refused.value.message


async def test_a_deleted_user_s_token_dies(signed_cell: SignedCell) -> None:
    eve = user("Eve", Role.MEMBER)
    async with signed_cell.client() as client:
        token = await signed_cell.sign_in().token(client, eve)
        assert await status(signed_cell, token.value) == 200
        assert await client.delete_users([eve.email]) == 1
        assert await status(signed_cell, token.value) == 401
        assert await client.delete_users([eve.email]) == 0
        assert eve.email not in [account.email for account in await client.accounts()]


async def status(signed_cell: SignedCell, token: str) -> int:
    """What a read answers with that token."""
    url, headers = f"{signed_cell.cell.url}/v1/projects", {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status
