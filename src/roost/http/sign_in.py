"""Signing in by a one-time link, and signing out. GET shows a button; only POST spends the link."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roost.errors import NotFound, NotSignedIn
from roost.http import messages as m
from roost.http import pages
from roost.http.answers import answer, redirect
from roost.http.call import Call
from roost.http.identify import Proofs
from roost.http.routes import Match
from roost.identity import one_time_link
from roost.model import Proof


@dataclass(frozen=True, slots=True)
class SignIn:
    """`begin` and `revoke` are the keeper's."""

    proofs: Proofs
    begin: Callable[[m.BeginSession], Awaitable[m.ProvedSession]]
    revoke: Callable[[m.Revocation], Awaitable[m.Done]]

    async def link(self, call: Call, match: Match) -> None:
        cookie = self.proofs.link_cookie
        if cookie is None:
            raise NotFound(reason="a sign-in link, but Roost listens beyond loopback")
        if call.method != "POST":
            await pages.show(call, pages.sign_in())
            return
        session = one_time_link.mint()
        await self.begin(
            m.BeginSession(
                link_hash=one_time_link.hash_token(match.rest[1]),
                session_hash=session.hash,
                session_id=one_time_link.mint_session_id(),
                lifetime_s=one_time_link.SESSION_LIFETIME_S,
            )
        )
        await redirect(call, f"{call.base}/app/", {"set-cookie": cookie.begin(session.token)})

    async def sign_out(self, call: Call, match: Match) -> None:
        await self.out(call)

    async def out(self, call: Call) -> None:
        """What proved the caller proves nothing any more. Nobody signed in is signed out too."""
        try:
            identity = await self.proofs.identify(call)
        except NotSignedIn:
            identity = None
        # A host that names its user itself ends its own session; a key is not signed out.
        if identity is not None and identity.proof not in (Proof.HOST, Proof.KEY):
            await self.revoke(m.Revocation(identity.proof_id, identity.valid_until))
            self.proofs.revoke(identity.proof_id)
        cookie = self.proofs.link_cookie
        ended = {"set-cookie": cookie.end()} if cookie is not None else {}
        if "text/html" in (call.header(b"accept") or ""):
            await pages.show(call, pages.signed_out(), more=ended)
        else:
            await answer(call, 204, "text/plain", b"", ended)
