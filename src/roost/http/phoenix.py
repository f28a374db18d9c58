"""Phoenix's own surface: REST, GraphQL and the framed UI, each call judged by its row.

Rule: `/ui/<tenant>/v1` and `/ui/<tenant>/graphql` are judged by the same rows as `/v1` and
`/graphql`; where a call came in changes nothing of what it may do.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

import msgspec

from roost.errors import NotAllowed, NotFound
from roost.http import gate
from roost.http.answers import answer_json, redirect
from roost.http.call import Call, Headers
from roost.http.effects import Effects
from roost.http.forward import Effect, Forwarder, nothing
from roost.http.gate import Forward
from roost.http.principal import PrincipalOf
from roost.http.routes import Match
from roost.ingest.annotations import READERS, TARGETED, is_sync, targets
from roost.log.records import Annotation
from roost.model import Principal, Proof
from roost.policy import erasures, graphql, paths, routes, ui
from roost.policy.verdict import Elsewhere, Verdict

ANNOTATIONS_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Phoenix:
    """`sign_out` answers the UI's own sign-out."""

    principal_of: PrincipalOf
    forwarder: Forwarder
    effects: Effects
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
        if call.method == "POST" and segments[1:] and segments[1] in TARGETED:
            await self._annotate(call, principal, verdict, segments, mount)
            return
        erased = erasures.of_rest(call.method, segments, dict(parse_qsl(call.query)))
        effect = partial(self.effects.erasing, erasures=erased) if erased else nothing
        await self._forward(call, principal, verdict, segments, mount, effect=effect)

    async def _annotate(
        self,
        call: Call,
        principal: Principal,
        verdict: Verdict,
        segments: tuple[str, ...],
        mount: str,
    ) -> None:
        """Phoenix keeps asynchronous ones in memory: they go into the log instead. The others name
        a span that may still be on its way."""
        body = await call.body(ANNOTATIONS_BYTES_MAX)
        query = dict(parse_qsl(call.query))
        read = READERS.get(segments[1])
        if read is None or is_sync(query.get("sync")) or isinstance(verdict, Elsewhere):
            about = targets(body)
            effect = partial(self.effects.arrived, span_ids=about.spans, trace_ids=about.traces)
            await self._forward(call, principal, verdict, segments, mount, effect=effect, body=body)
            return
        gate.judge(verdict, principal, self._to_phoenix(call, principal, segments, mount))
        written = [signed(one, principal) for one in read(body)]
        if written:
            await self.effects.annotate(principal, written)
        await answer_json(call, {"data": []})

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
        *,
        effect: Effect = nothing,
        body: bytes | None = None,
    ) -> None:
        if isinstance(verdict, Elsewhere):
            raise NotFound(reason=f"not here: {verdict.value}")
        forward = self._to_phoenix(call, principal, segments, mount, body)
        await self.forwarder.send(call, principal, verdict, forward, effect)

    def _to_phoenix(
        self,
        call: Call,
        principal: Principal,
        segments: tuple[str, ...],
        mount: str,
        body: bytes | None = None,
    ) -> Forward:
        return Forward(
            method=call.method,
            path=paths.serialise(segments),
            query=call.query,
            headers=call.headers,
            mount=mount,
            template=paths.serialise(segments[:2]),
            root=_root(call, principal),
            body=body,
        )

    async def _graphql(self, call: Call, principal: Principal, mount: str) -> None:
        body = await call.body(graphql.MAX_BODY_BYTES)
        judged = graphql.judge(body, call.header(b"content-type") or "")
        erased = _erased(judged)
        effect = partial(self.effects.erasing, erasures=erased) if erased else nothing
        forward = Forward(
            method="POST",
            path="/graphql",
            query="",
            headers=_plain(call.headers) if erased else call.headers,
            mount=mount,
            template=f"/graphql {judged.kind} {judged.operation}",
            root=_root(call, principal),
            body=judged.body,
            set_headers={"content-type": "application/json"},
        )
        try:
            await self.forwarder.send(call, principal, judged.decision, forward, effect)
        except (NotAllowed, NotFound) as refusal:
            if principal.role is None:
                raise
            # In GraphQL's own form, which the UI shows where it belongs.
            said = {"data": None, "errors": [{"message": refusal.message}]}
            await answer_json(call, said)


def _root(call: Call, principal: Principal) -> str:
    """The path that the cell itself was told it has, wherever this call came in."""
    return f"{call.base}/ui/{principal.tenant.slug}"


def _erased(judged: graphql.Judged) -> list[erasures.Erasure]:
    if judged.kind != "mutation" or not judged.body:
        return []
    sent = msgspec.json.decode(judged.body)
    variables = sent["variables"] or {}
    return erasures.of_graphql(sent["query"], judged.operation, variables)


def _plain(headers: Headers) -> Headers:
    """An answer that is read here comes uncompressed."""
    return tuple((name, value) for name, value in headers if name != b"accept-encoding")


def signed(annotation: Annotation, principal: Principal) -> Annotation:
    """By who writes it, as their own cell knows them."""
    return msgspec.structs.replace(
        annotation,
        subject=principal.subject,
        subject_name=principal.name,
        issuer=principal.issuer,
        role=principal.role,
        is_key=principal.proof is Proof.KEY,
    )
