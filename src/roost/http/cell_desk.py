"""The keeper's reception: for a tenant and a person, the way into the right cell.

Rule: a token is asked for only from a cell that has proved to be ours, and a route belongs to one
person, one role and one instance of one cell.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from roost.cells.client import CellClient
from roost.cells.ledger import Node, SqliteLedger, ledger_of
from roost.cells.ledger_view import CellView, view_of
from roost.cells.people import CellUser, cell_user, service_user
from roost.cells.sign_in import SignIn
from roost.cells.writer import CellWriter
from roost.errors import BadRequest, NotFound, Unavailable
from roost.http import messages as m
from roost.http.attached_cells import AttachedCells
from roost.http.managed_cells import ManagedDesk
from roost.log.records import Annotation
from roost.model import Principal, Proof, Role, Tenant, TenantId

ROUTE_S = 60.0
"""A route is asked for again after so long, so that a right that has ended ends."""
CONNECT_WAIT_S = 60.0


@dataclass(slots=True)
class Desk:
    """Managed and attached cells as one. `people_key` makes people's subjects."""

    managed: ManagedDesk
    attached: AttachedCells
    sign_in: SignIn
    people_key: bytes
    clock: Callable[[], float]

    async def warm(self) -> None:
        await self.managed.warm()

    async def route(self, tenant: Tenant, person: m.Person) -> m.Route | m.Waking:
        """NotFound for whoever has no business in Phoenix itself."""
        user = self._user(tenant, person)
        client = await self._client(tenant, person.wait_s)
        if isinstance(client, m.Waking):
            return client
        if person.stale:
            self.sign_in.forget_subject(user.sub)
        token = await self.sign_in.token(client, user)
        until = min(token.valid_until, self.clock() + ROUTE_S)
        return m.Route(client.address, client.instance, token.value, until)

    @asynccontextmanager
    async def connected(self, tenant: Tenant) -> AsyncIterator[CellWriter]:
        """The tenant's cell, woken and kept awake until the block ends, for what the log brings.
        Unavailable where it cannot be reached."""
        client = await self._client(tenant, CONNECT_WAIT_S)
        if isinstance(client, m.Waking):
            raise Unavailable("This tenant's Phoenix is still starting.", reason=client.phase)

        async def token_of(annotation: Annotation | None) -> str:
            user = self._author(tenant, annotation)
            return (await self.sign_in.token(client, user)).value

        def forget(annotation: Annotation | None) -> None:
            self.sign_in.forget_subject(self._author(tenant, annotation).sub)

        with self.managed.in_use(tenant.id):
            yield CellWriter(
                client,
                await ledger_of(client, await self._database(tenant)),
                token_of,
                forget,
                partial(self._is_running, tenant, client.instance),
            )

    async def view(self, tenant: Tenant) -> CellView | None:
        """What can be read of the tenant's cell while it is up; None while it is not. It is not
        woken for this, nor kept awake."""
        service = service_user(self.people_key).sub
        if (client := await self.attached.client(tenant)) is not None:
            return await view_of(client, None, service)
        if (client := await self.managed.awake(tenant.id)) is None:
            return None
        return await view_of(client, self.managed.database(tenant.id), service)

    async def name_of(self, tenant: Tenant, node: Node, row: int) -> str | None:
        """What a row id of the tenant's cell stands for; a managed cell need not be awake."""
        database = await self._database(tenant)
        if database is not None and await (ledger := SqliteLedger(database)).is_readable():
            return await ledger.name_of(node, row)
        async with self.connected(tenant) as cell:
            return await cell.ledger.name_of(node, row)

    async def rows(self, tenants: list[Tenant]) -> list[m.CellRow]:
        return [await self.attached.row(tenant) or self.managed.row(tenant) for tenant in tenants]

    def used(self, tenant_id: TenantId) -> None:
        self.managed.used(tenant_id)

    async def stop(self, tenant: Tenant) -> None:
        if (row := await self.attached.row(tenant)) is not None:
            raise BadRequest(
                f"The Phoenix of {tenant.slug} at {row.url} is not Roost's own: stop it there, or "
                f"let go of it with `roost cells detach {tenant.slug}`."
            )
        await self.managed.stop(tenant.id)

    async def remove(self, tenant_id: TenantId) -> None:
        await self.attached.detach(tenant_id)
        await self.managed.remove(tenant_id)

    async def attach(self, tenant: Tenant, url: str) -> m.Attachment:
        said = await self.attached.attach(tenant, url)
        if said.attached:
            await self.managed.stop(tenant.id)
        return said

    async def detach(self, tenant: Tenant) -> None:
        await self.attached.detach(tenant.id)

    def logs(self, tenant: Tenant) -> str:
        return self.managed.logs(tenant.id)

    async def _database(self, tenant: Tenant) -> Path | None:
        """The file of a managed cell."""
        if await self.attached.row(tenant) is not None:
            return None
        return self.managed.database(tenant.id)

    def _is_running(self, tenant: Tenant, instance: str) -> bool:
        return self.attached.is_instance(instance) or self.managed.is_up(tenant.id, instance)

    def _author(self, tenant: Tenant, annotation: Annotation | None) -> CellUser:
        if annotation is None or annotation.role is None:
            return service_user(self.people_key)
        return self._user(
            tenant,
            m.Person(
                tenant_id=tenant.id,
                issuer=annotation.issuer,
                subject=annotation.subject,
                name=annotation.subject_name,
                role=annotation.role,
                is_key=annotation.is_key,
            ),
        )

    async def _client(self, tenant: Tenant, wait_s: float) -> CellClient | m.Waking:
        attached = await self.attached.client(tenant)
        return attached or await self.managed.client(tenant, wait_s)

    def _user(self, tenant: Tenant, person: m.Person) -> CellUser:
        if person.role is None:
            return service_user(self.people_key)
        user = cell_user(self.people_key, _principal(tenant, person))
        if user is None:
            raise NotFound(reason="a role without a place in Phoenix")
        return user


def _principal(tenant: Tenant, person: m.Person) -> Principal:
    """As far as a cell is concerned; when the proof ends is the gateway's matter."""
    return Principal(
        tenant=tenant,
        subject=person.subject,
        role=None if person.role is None else Role(person.role),
        proof=Proof.KEY if person.is_key else Proof.HOST,
        proof_id=person.subject,
        valid_until=0,
        name=person.name,
        issuer=person.issuer,
    )
