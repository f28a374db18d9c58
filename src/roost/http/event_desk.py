"""Events over the keeper's socket: what gateways and commands ask, and what the keeper does.

Rule: the gateway has judged who may; here a tenant's id leads to its home and nowhere else.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec import Struct
from starlette.routing import Route

from roost.analytics.events import Batch
from roost.analytics.home import HomeEvents
from roost.analytics.questions import Answer, Question
from roost.analytics.store import Forgotten, Taken
from roost.http.keeper_client import KeeperClient
from roost.http.keeper_server import route
from roost.model import TenantId

ADD_TIMEOUT_S = 30.0
ASK_TIMEOUT_S = 30.0
FORGET_TIMEOUT_S = 300.0
"""Years of somebody's events leave in slices."""


class AddEvents(Struct, frozen=True):
    tenant_id: str
    batch: Batch


class AskEvents(Struct, frozen=True):
    tenant_id: str
    question: Question


class Told(Struct, frozen=True):
    answer: Answer


class ForgetPerson(Struct, frozen=True):
    """`person` as `analytics.erasing.person_named` names them."""

    tenant_id: str
    person: str


@dataclass(frozen=True, slots=True)
class EventDesk:
    """The keeper's side. `events_of` opens the tenant's home where it is not; NotFound where the
    tenant is gone."""

    events_of: Callable[[TenantId], Awaitable[HomeEvents]]

    async def add(self, asked: AddEvents) -> Taken:
        home = await self.events_of(TenantId(asked.tenant_id))
        return await home.store.add(asked.batch)

    async def ask(self, asked: AskEvents) -> Told:
        home = await self.events_of(TenantId(asked.tenant_id))
        return Told(await home.queries.ask(asked.question))

    async def forget(self, asked: ForgetPerson) -> Forgotten:
        home = await self.events_of(TenantId(asked.tenant_id))
        return await home.store.forget(asked.person)


def event_routes(desk: EventDesk) -> list[Route]:
    """What the keeper's app serves beside its operations."""
    return [
        route("events/add", AddEvents, desk.add),
        route("events/ask", AskEvents, desk.ask),
        route("events/forget", ForgetPerson, desk.forget),
    ]


@dataclass(frozen=True, slots=True)
class EventClient:
    """The gateway's and the command's side: what `http.events.Events` is given."""

    keeper: KeeperClient

    async def add(self, tenant_id: TenantId, batch: Batch) -> Taken:
        asked = AddEvents(tenant_id, batch)
        return await self.keeper.ask("events/add", Taken, asked, ADD_TIMEOUT_S)

    async def ask(self, tenant_id: TenantId, question: Question) -> Answer:
        asked = AskEvents(tenant_id, question)
        return (await self.keeper.ask("events/ask", Told, asked, ASK_TIMEOUT_S)).answer

    async def forget(self, tenant_id: TenantId, person: str) -> Forgotten:
        asked = ForgetPerson(tenant_id, person)
        return await self.keeper.ask("events/forget", Forgotten, asked, FORGET_TIMEOUT_S)
