"""Phoenix's own surface: REST, GraphQL and the framed UI, each call judged by its row.

Rule: `/ui/<tenant>/v1` and `/ui/<tenant>/graphql` are judged by the same rows as `/v1` and
`/graphql`; where a call came in changes nothing of what it may do.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roost.errors import NotAllowed, NotFound
from roost.http.answers import answer_json, redirect
from roost.http.call import Call
from roost.http.forward import Forwarder
from roost.http.gate import Forward
from roost.http.principal import PrincipalOf
from roost.http.routes import Match
from roost.model import Principal
from roost.policy import graphql, paths, routes, ui
from roost.policy.verdict import Elsewhere, Verdict


@dataclass(frozen=True, slots=True)
class Phoenix:
    """`sign_out` answers the UI's own sign-out."""

    principal_of: PrincipalOf
    forwarder: Forwarder
    sign_out: Callable[[Call], Awaitable[None]]

    async def rest(self, call: Call, match: Match) -> None:
        principal = await self.principal_of(call, match.tenant)
        await self._rest(call, principal, match.rest, call.base)

    async def graphql(self, call: Call, match: Match) -> None:
        await self._graphql(call, await self.principal_of(call, match.tenant), call.base)

    async def ui(self, call: Call, match: Match) -> None:
        principal = await self.principal_of(call, match.tenant)
        mount = _root(call, principal)
        if match.rest[:1] == ("v1",):
            await self._rest(call, principal, match.rest, mount)
        elif match.rest == ("graphql",) and call.method == "POST":
            await self._graphql(call, principal, mount)
        else:
            await self._page(call, principal, match.rest, mount)

    async def _rest(
        self, call: Call, principal: Principal, segments: tuple[str, ...], mount: str
    ) -> None:
        verdict = routes.decide_rest(call.method, segments)
        await self._forward(call, principal, verdict, segments, mount)

    async def _page(
        self, call: Call, principal: Principal, segments: tuple[str, ...], mount: str
    ) -> None:
        verdict = ui.decide_ui(call.method, segments)
        if verdict is Elsewhere.SIGN_OUT and call.header(b"sec-fetch-site") == "same-origin":
            # Phoenix's menu signs out by GET; a foreign page must not.
            await self.sign_out(call)
        elif verdict is Elsewhere.SIGN_IN:
            # The UI comes here when a call was 401; whoever is signed in begins anew.
            await redirect(call, f"{mount}/")
        else:
            await self._forward(call, principal, verdict, segments, mount)

    async def _forward(
        self,
        call: Call,
        principal: Principal,
        verdict: Verdict,
        segments: tuple[str, ...],
        mount: str,
    ) -> None:
        if isinstance(verdict, Elsewhere):
            raise NotFound(reason=f"not here: {verdict.value}")
        forward = Forward(
            method=call.method,
            path=paths.serialise(segments),
            query=call.query,
            headers=call.headers,
            mount=mount,
            template=paths.serialise(segments[:2]),
            root=_root(call, principal),
        )
        await self.forwarder.send(call, principal, verdict, forward)

    async def _graphql(self, call: Call, principal: Principal, mount: str) -> None:
        body = await call.body(graphql.MAX_BODY_BYTES)
        judged = graphql.judge(body, call.header(b"content-type") or "")
        forward = Forward(
            method="POST",
            path="/graphql",
            query="",
            headers=call.headers,
            mount=mount,
            template=f"/graphql {judged.kind} {judged.operation}",
            root=_root(call, principal),
            body=judged.body,
            set_headers={"content-type": "application/json"},
        )
        try:
            await self.forwarder.send(call, principal, judged.decision, forward)
        except (NotAllowed, NotFound) as refusal:
            if principal.role is None:
                raise
            # In GraphQL's own form, which the UI shows where it belongs.
            said = {"data": None, "errors": [{"message": refusal.message}]}
            await answer_json(call, said)


def _root(call: Call, principal: Principal) -> str:
    """The path that the cell itself was told it has, wherever this call came in."""
    return f"{call.base}/ui/{principal.tenant.slug}"
