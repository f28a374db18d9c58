"""Sign people in to a cell: the code flow, run on the server, kept until shortly before expiry.

Rule 1: a token is kept by (cell instance, subject), and a subject has one role. Rule 2: one login
at a time for each of them; whoever waits takes its result. Rule 3: what was forgotten while its
login ran is not kept.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit
from weakref import WeakValueDictionary

from aiohttp import ClientResponse

from roost.cells.client import IDP, CellClient
from roost.cells.codes import Challenge
from roost.cells.handshake import UNSAFE
from roost.cells.people import CellUser, name_for
from roost.errors import Unavailable

TOKEN_COOKIE = "phoenix-access-token"  # noqa: S105 - a cookie's name
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CellToken:
    """Somebody's Phoenix access token; `valid_until` in seconds since the epoch."""

    value: str = field(repr=False)
    valid_until: float


@dataclass(slots=True)
class SignIn:
    """`mint` is the provider's (`Codes.mint`); `clock` is in seconds since the epoch."""

    mint: Callable[[CellUser, Challenge], str]
    clock: Callable[[], float]
    tokens_max: int = 10_000
    renew_before_s: float = 120
    timeout_s: float = 20
    _tokens: OrderedDict[_Key, CellToken] = field(default_factory=OrderedDict)
    _turns: WeakValueDictionary[_Key, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _names: dict[str, dict[str, str]] = field(default_factory=dict)

    async def token(self, client: CellClient, user: CellUser) -> CellToken:
        """A token of `user` that is good for `renew_before_s` at least.

        Unavailable, with the reason, where the cell is silent, not ours, or refuses the login.
        """
        key = (client.instance, user.sub)
        if kept := self._kept(key):
            return kept
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._in_turn(key, client, user)
        except TimeoutError:
            raise Unavailable(UNSAFE, reason=f"no sign-in within {self.timeout_s} s") from None

    def forget(self, instance: str) -> None:
        """A cell's instance has ended."""
        self._drop([key for key in [*self._tokens, *self._turns] if key[0] == instance])
        self._names.pop(instance, None)

    def forget_subject(self, sub: str) -> None:
        """Somebody may no longer come in; deleting the user ends the token itself."""
        self._drop([key for key in [*self._tokens, *self._turns] if key[1] == sub])

    def _drop(self, keys: list[_Key]) -> None:
        for key in keys:
            self._tokens.pop(key, None)
            self._turns.pop(key, None)

    def _kept(self, key: _Key) -> CellToken | None:
        token = self._tokens.get(key)
        if token is None or token.valid_until - self.clock() < self.renew_before_s:
            return None
        self._tokens.move_to_end(key)
        return token

    async def _in_turn(self, key: _Key, client: CellClient, user: CellUser) -> CellToken:
        turn = self._turns.setdefault(key, asyncio.Lock())
        async with turn:
            if kept := self._kept(key):
                return kept
            token = await self._log_in(client, user)
            if self._turns.get(key) is not turn:
                raise Unavailable(UNSAFE, reason="forgotten while signing in")
            self._keep(key, token)
            return token

    def _keep(self, key: _Key, token: CellToken) -> None:
        self._tokens[key] = token
        self._tokens.move_to_end(key)
        while len(self._tokens) > self.tokens_max:
            self._tokens.popitem(last=False)

    async def _log_in(self, client: CellClient, user: CellUser) -> CellToken:
        named = replace(user, name=await self._free_name(client, user))
        login = await client.begin_login()
        query = {"state": login.state, "code": self.mint(named, login.challenge)}
        async with client.get(f"/oauth2/{IDP}/tokens", query, cookies=login.cookies) as answer:
            return self._token_in(answer)

    async def _free_name(self, client: CellClient, user: CellUser) -> str:
        """Phoenix keeps the name of the first login for ever, so it is chosen with care: nobody
        else in the cell has it. The cell is asked once an instance."""
        key = (client.instance, "")
        async with self._turns.setdefault(key, asyncio.Lock()):
            if client.instance not in self._names:
                await client.prove()
                accounts = await client.accounts()
                self._names[client.instance] = {who.username: who.email for who in accounts}
        taken = self._names[client.instance]
        name = name_for(user, taken)
        taken[name] = user.email
        return name

    def _token_in(self, answer: ClientResponse) -> CellToken:
        cookie = answer.cookies.get(TOKEN_COOKIE)
        if cookie is None or not cookie.value or not cookie["max-age"].isdigit():
            raise Unavailable(UNSAFE, reason=f"the login ended in {_outcome(answer)}")
        return CellToken(cookie.value, self.clock() + int(cookie["max-age"]))


def _outcome(answer: ClientResponse) -> str:
    """`302 email_in_use`: the status and Phoenix's own code of the error, if it names one."""
    query = parse_qs(urlsplit(answer.headers.get("Location", "")).query)
    return " ".join([str(answer.status), *query.get("error", [])])
