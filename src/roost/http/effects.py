"""What goes with a call to Phoenix: tombstones before it deletes, a look at the cell afterwards.

Rule: only what the gate has let through has an effect.
"""

import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import msgspec

from roost.errors import RoostError
from roost.http import messages as m
from roost.http.call import Call, Message, Send
from roost.http.keeper_client import KeeperClient
from roost.log.base import Kind
from roost.log.records import Annotation, encoded
from roost.model import Principal
from roost.policy.erasures import Erasure

ARRIVAL_TIMEOUT_S = 40.0
HEARD_BYTES_MAX = 1024 * 1024

log = logging.getLogger("roost.effects")


@dataclass(slots=True)
class Overheard:
    """Passes an answer on and keeps its status and the beginning of its body."""

    send: Send
    status: int = 0
    body: bytes = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif len(self.body) < HEARD_BYTES_MAX:
            self.body += message.get("body", b"")
        await self.send(message)


def has_deleted(status: int, body: bytes) -> bool:
    """Whether that answer to a deletion says that it is gone. GraphQL tells of errors with 200.

    >>> has_deleted(204, b""), has_deleted(404, b""), has_deleted(422, b"")
    (True, True, False)
    >>> has_deleted(200, b'{"data": null, "errors": [{}]}')
    False
    """
    if status == 404:
        return True
    if not 200 <= status < 300:
        return False
    try:
        said = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return True  # longer than what was kept: no refusal is
    return "errors" not in said


@dataclass(frozen=True, slots=True)
class Effects:
    keeper: KeeperClient

    @asynccontextmanager
    async def erasing(
        self, call: Call, principal: Principal, erasures: Sequence[Erasure]
    ) -> AsyncIterator[Call]:
        """What is being deleted is held back before Phoenix hears of it, and let go again where
        Phoenix refuses. Where nobody learns how it ended, the keeper deletes it."""
        things = [m.ErasedThing(one.what, one.id, one.since, one.until) for one in erasures]
        erase = m.Erase(principal.tenant.id, things, principal.subject)
        begun = await self.keeper.ask("ingest/erase", m.Erasing, erase)
        said = Overheard(call.send)
        yield replace(call, send=said)
        if begun.id:
            ended = m.Erased(principal.tenant.id, begun.id, has_deleted(said.status, said.body))
            await self.keeper.ask("ingest/erased", m.Done, ended)

    @asynccontextmanager
    async def arrived(
        self,
        call: Call,
        principal: Principal,
        span_ids: Collection[str],
        trace_ids: Collection[str],
    ) -> AsyncIterator[Call]:
        """Waits until what the log holds of them is in Phoenix: a write that names a span comes
        after the span."""
        if span_ids or trace_ids:
            asked = m.Arrival(principal.tenant.id, list(span_ids), list(trace_ids))
            await self.keeper.ask("ingest/arrived", m.Done, asked, ARRIVAL_TIMEOUT_S)
        yield call

    async def annotate(self, principal: Principal, annotations: Sequence[Annotation]) -> None:
        """Durable once this returns; Phoenix gets them once it has what they are about."""
        body = encoded(annotations)
        await self.keeper.append(m.Append(principal.tenant.id, Kind.ANNOTATIONS, [body]))

    async def changed(self, principal: Principal) -> None:
        """Traces or annotations may have come or gone behind the log. The call itself is answered
        by now, so that a keeper that cannot hear of it only looks later."""
        try:
            await self.keeper.ask("ingest/reconcile", m.Done, m.Reconcile(principal.tenant.id))
        except RoostError as error:
            log.warning("the keeper was not told to reconcile: %s", error.reason)
