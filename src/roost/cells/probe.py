"""Is the new cell there, and is it ours?

Rule: the admin secret is sent only to a port whose listening socket the keeper has made, kept and
handed to that cell alone, so nobody else can be asked.
"""

import asyncio
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout

from roost.errors import Unavailable

ASK_AGAIN_S = 0.1
ANSWER_WITHIN_S = 10.0
_PRIVATE_PATH = "/v1/projects"


@dataclass(frozen=True, slots=True)
class Probe:
    """Asks one cell, over connections that are not used again."""

    session: ClientSession
    address: str

    async def until_ready(self) -> None:
        """Returns once Phoenix and its database answer; the caller sets the time limit.

        The listening socket is open before Phoenix is, so the first question waits in its queue
        and is answered the moment that Phoenix serves.
        """
        while await self._status("/readyz", within_s=None) != 200:  # noqa: ASYNC110 - not ours
            await asyncio.sleep(ASK_AGAIN_S)

    async def prove(self, admin_secret: str) -> None:
        """Unavailable unless the peer refuses strangers and knows our admin secret."""
        stranger = await self._status(_PRIVATE_PATH)
        ours = await self._status(_PRIVATE_PATH, admin_secret)
        if (stranger, ours) != (401, 200):
            raise Unavailable(
                "Phoenix of this tenant is not safe to use. See `roost doctor`.",
                reason=f"asked without secret it answered {stranger}, with it {ours}",
            )

    async def _status(
        self, path: str, token: str = "", *, within_s: float | None = ANSWER_WITHIN_S
    ) -> int:
        """The answer's status, 0 for none."""
        headers = {"Connection": "close"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = self.session.get(
            self.address + path,
            headers=headers,
            allow_redirects=False,
            timeout=ClientTimeout(total=within_s),
        )
        try:
            async with request as answer:
                return answer.status
        except (ClientError, TimeoutError):
            return 0
