"""Roost's own calls to one cell: is it the right one, which version, who is in it.

Rule 1: a client belongs to one instance of a cell and to its connections; a restarted cell gets a
new one. Rule 2: the admin secret is for this module alone; people's requests carry their token.
"""

import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)

from roost.cells.graphql_users import REFUSES, CellAccount, Deleted, T, UserPage, Users, data_of
from roost.cells.handshake import Begun, new_return_url, parse_login
from roost.errors import Unavailable

IDP = "roost"
"""The provider's name in Phoenix: it stands in PHOENIX_OAUTH2_ROOST_* and in its URLs."""
PAGE_OF_USERS = 500
_SILENT = "Phoenix of this tenant does not answer. Try again in a moment."
_USERS = """query RoostUsers($first: Int!, $after: String) {
  users(first: $first, after: $after) {
    edges { node { id username email role { name } } }
    pageInfo { hasNextPage endCursor }
  }
}"""
_DELETE = """mutation RoostDeleteUsers($ids: [ID!]!) {
  deleteUsers(input: {userIds: $ids}) { userIds }
}"""


@dataclass(frozen=True, slots=True)
class CellClient:
    """`address` has no slash at its end; `instance` changes with every start of the cell."""

    session: ClientSession = field(repr=False)
    address: str
    instance: str
    client_id: str
    secret: str = field(repr=False)
    """PHOENIX_SECRET: only checks that the peer knows it."""
    admin_secret: str = field(repr=False)

    async def begin_login(self) -> Begun:
        """Start a code flow; Unavailable where the peer is not this cell."""
        return_url = new_return_url()
        async with self.get(f"/oauth2/{IDP}/login", {"returnUrl": return_url}) as answer:
            return parse_login(
                answer.headers.get("Location", ""),
                answer.cookies,
                secret=self.secret,
                client_id=self.client_id,
                return_url=return_url,
            )

    async def prove(self) -> None:
        """The peer is this very cell: it knows PHOENIX_SECRET, and then that it accepts the admin
        secret, which is sent only after the first was shown. Unavailable otherwise."""
        await self.begin_login()
        await self._page_of_users(first=1, after=None)

    async def version(self) -> str:
        async with self.get("/arize_phoenix_version") as answer:
            text = (await answer.text()).strip()
        if answer.status != 200 or not text[:1].isdigit():
            raise Unavailable(REFUSES, reason=f"no Phoenix: version answered {answer.status}")
        return text

    async def accounts(self) -> list[CellAccount]:
        """Everybody in the cell but Phoenix's own system user."""
        found: list[CellAccount] = []
        after: str | None = None
        while True:
            page = await self._page_of_users(first=PAGE_OF_USERS, after=after)
            found += [edge.node.account() for edge in page.edges]
            if not page.pageInfo.hasNextPage:
                return found
            after = page.pageInfo.endCursor

    async def delete_users(self, emails: Collection[str]) -> int:
        """Delete those who are there, and with them every token they have; how many it were.

        GraphQL, because `DELETE /v1/users/{id}` fails once a session exists.
        """
        ids = [account.id for account in await self.accounts() if account.email in emails]
        if ids:
            await self.ask(_DELETE, {"ids": ids}, Deleted)
        return len(ids)

    @asynccontextmanager
    async def get(
        self,
        path: str,
        query: dict[str, str] | None = None,
        cookies: str = "",
        *,
        as_admin: bool = False,
    ) -> AsyncIterator[ClientResponse]:
        """An answer without following redirects; Unavailable where none comes. `as_admin` only to
        a cell that has been proved."""
        self._refuse_closed()
        headers = {"Cookie": cookies} if cookies else {}
        if as_admin:
            headers["Authorization"] = f"Bearer {self.admin_secret}"
        request = self.session.get(
            self.address + path, params=query, headers=headers, allow_redirects=False
        )
        try:
            async with request as answer:
                yield answer
        except (ClientError, TimeoutError) as error:
            raise Unavailable(_SILENT, reason=f"{path}: {error!r}") from None

    def _refuse_closed(self) -> None:
        """The cell has ended, and its connections with it."""
        if self.session.closed:
            raise Unavailable(_SILENT, reason="the cell ended", retry_after_s=1)

    async def _page_of_users(self, *, first: int, after: str | None) -> UserPage:
        return (await self.ask(_USERS, {"first": first, "after": after}, Users)).users

    async def ask(self, query: str, variables: dict[str, object], shape: type[T]) -> T:
        """The data of one GraphQL operation, as an administrator of the cell."""
        self._refuse_closed()
        try:
            async with self.session.post(
                f"{self.address}/graphql",
                json={"query": query, "variables": variables},
                headers={"Authorization": f"Bearer {self.admin_secret}"},
                allow_redirects=False,
            ) as answer:
                return data_of(answer.status, await answer.read(), shape)
        except (ClientError, TimeoutError) as error:
            raise Unavailable(_SILENT, reason=f"/graphql: {error!r}") from None


@asynccontextmanager
async def open_session(*, timeout_s: float = 30, ca_pem: str = "") -> AsyncIterator[ClientSession]:
    """Connections to one instance of one cell; `ca_pem` is what an attached cell's certificate is
    checked against instead of the public roots. No cookie jar: one would mix people up."""
    trust = ssl.create_default_context(cadata=ca_pem) if ca_pem else True
    async with ClientSession(
        connector=TCPConnector(ssl=trust),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=timeout_s),
    ) as session:
        yield session
