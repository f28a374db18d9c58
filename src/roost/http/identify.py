"""Who sent a request: every proof in it is read, and all that hold must name one person.

Rule: a bearer that does not hold is refused; a cookie that does not hold names nobody, and is
refused only where nothing else names somebody (cookies of other apps on one host are sent too).
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from roost.errors import NotSignedIn, RoostError
from roost.http import messages as m
from roost.http.call import Call, Scope
from roost.identity import api_key, one_time_link
from roost.identity.cache import IdentityCache
from roost.identity.host_user import HostUser
from roost.identity.mapping import IdentityMapping, map_claims
from roost.identity.nextauth import NextAuth
from roost.identity.one_time_link import LinkCookie
from roost.identity.order import choose
from roost.model import Identity, Proof

HostIdentify = Callable[[Scope], HostUser | Awaitable[HostUser | None] | None]
REMEMBERED_SIGHTINGS = 10_000

log = logging.getLogger("roost.identity")


@dataclass(slots=True)
class Proofs:
    """How proofs are checked. `prove_key` and `prove_session` ask the keeper; `link_cookie` is
    None where Roost listens beyond loopback; `see` is told of an e-mail with its subject."""

    cache: IdentityCache
    mapping: IdentityMapping
    clock: Callable[[], float]
    prove_key: Callable[[m.KeyProof], Awaitable[m.ProvedKey]]
    prove_session: Callable[[m.SessionProof], Awaitable[m.ProvedSession]]
    see: Callable[[m.Sighting], Awaitable[object]]
    check_rate: Callable[[str], None]
    nextauth: NextAuth | None = None
    link_cookie: LinkCookie | None = None
    host: HostIdentify | None = None
    revoked: set[str] = field(default_factory=set)
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _notes: set["asyncio.Task[None]"] = field(default_factory=set)

    async def identify(self, call: Call) -> Identity:
        """NotSignedIn where nobody, or more than one person, is named; Unavailable (429) where
        that proof comes too often, or that address without one. Behind a proxy all have one
        address, so whoever proves who they are is not counted by it."""
        try:
            identity = await self._identify(call)
        except NotSignedIn:
            self.check_rate(call.peer)
            raise
        self.check_rate(identity.proof_id)
        return identity

    async def _identify(self, call: Call) -> Identity:
        token = api_key.presented(call.headers)
        bearer = None if token is None else await self._key(token)
        cookies, faults = await self._cookie_proofs(call)
        identity = choose([bearer, *cookies])
        if identity is None:
            raise (
                faults[0]
                if faults
                else NotSignedIn(
                    "Sign in to the app first, or send a Roost key: `Authorization: Bearer rk_…`.",
                    reason="no proof",
                )
            )
        if identity.proof_id in self.revoked:
            raise NotSignedIn("This session was signed out. Sign in again.", reason="revoked")
        return identity

    def revoke(self, proof_id: str) -> None:
        self.revoked.add(proof_id)
        self.cache.drop(proof_id)

    async def _key(self, token: str) -> Identity:
        return await self._cached("key", token, lambda: self._prove_key(token))

    async def _prove_key(self, token: str) -> Identity:
        key = api_key.parse(token)
        proved = await self.prove_key(m.KeyProof(key.id, key.secret_hash))
        return api_key.identify(key.id, proved, self.clock())

    async def _cookie_proofs(self, call: Call) -> tuple[list[Identity | None], list[NotSignedIn]]:
        """What the host says itself, its session cookie, the link's: in that order."""
        found: list[Identity | None] = []
        faults = []
        for prove in (self._host_user, self._session, self._link):
            try:
                found.append(await prove(call))
            except NotSignedIn as fault:
                faults.append(fault)
        return found, faults

    async def _host_user(self, call: Call) -> Identity | None:
        if self.host is None:
            return None
        said = self.host(call.scope)
        user = await said if inspect.isawaitable(said) else said
        return None if user is None else user.identity(self.clock())

    async def _session(self, call: Call) -> Identity | None:
        reader = self.nextauth
        if reader is None or (cookie := reader.find(call.cookies)) is None:
            return None

        async def verify() -> Identity:
            claims = reader.verify(cookie, self.clock())
            mapped = map_claims(claims, self.mapping, Proof.NEXTAUTH)
            for finding in mapped.findings:
                log.warning("%s; add: %s", finding.reason, finding.fix)
            self._note(mapped.identity)
            return mapped.identity

        return await self._cached("nextauth", cookie.credential, verify)

    async def _link(self, call: Call) -> Identity | None:
        if self.link_cookie is None or (token := self.link_cookie.read(call.cookies)) is None:
            return None

        async def prove() -> Identity:
            session = await self.prove_session(m.SessionProof(one_time_link.hash_token(token)))
            return one_time_link.identify(session.id, session.expires_at)

        return await self._cached("link", token, prove)

    async def _cached(
        self, verifier: str, credential: str, prove: Callable[[], Awaitable[Identity]]
    ) -> Identity:
        if (known := self.cache.get(verifier, credential)) is not None:
            return known
        generation = self.cache.generation
        identity = await prove()
        self.cache.put(verifier, credential, identity, generation)
        return identity

    def _note(self, identity: Identity) -> None:
        """Tell once which subject came with which e-mail, out of the request's way."""
        pair = (identity.email, identity.subject)
        if not identity.email or pair in self._seen or len(self._seen) >= REMEMBERED_SIGHTINGS:
            return
        self._seen.add(pair)
        task = asyncio.ensure_future(_quietly(self.see(m.Sighting(*pair))))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)


async def _quietly(note: Awaitable[object]) -> None:
    """A sighting that is lost is seen again by the next process."""
    try:
        await note
    except RoostError as error:
        log.warning("a sighting was not kept: %s", error.reason)
