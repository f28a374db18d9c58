"""What the keeper does for gateways and the CLI: each operation a typed question and answer.

Rule: whoever may ask is the owner of the installation; tenants' rights are judged in the gateway.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from roost.cells.ledger import Node
from roost.errors import BadRequest, NotSignedIn, Unavailable
from roost.http import messages as m
from roost.http.broadcast import Broadcast
from roost.http.erase import Eraser
from roost.http.home import Home
from roost.http.homes import Homes
from roost.identity import api_key
from roost.identity.cache import IdentityCache
from roost.log.base import Kind
from roost.model import KeyRecord, Scope, Tenant, TenantId
from roost.policy.erasures import Erased, Erasure
from roost.storage.control import Control
from roost.storage.progress import Parked
from roost.storage.sessions import Session


class LiveFeeds(Protocol):
    """`live.outlet.Outlet`."""

    def end(self, tenant_id: TenantId) -> None: ...
    def close(self) -> None: ...


class CellDesk(Protocol):
    """What the keeper does with cells, managed and attached alike."""

    async def warm(self) -> None:
        """Somebody may soon ask for a cell."""

    async def route(self, tenant: Tenant, person: m.Person) -> m.Route | m.Waking: ...
    async def rows(self, tenants: list[Tenant]) -> list[m.CellRow]: ...
    async def name_of(self, tenant: Tenant, node: Node, row: int) -> str | None: ...
    def used(self, tenant_id: TenantId) -> None: ...
    async def stop(self, tenant: Tenant) -> None: ...
    async def remove(self, tenant_id: TenantId) -> None:
        """Stop the cell and delete the home."""

    async def attach(self, tenant: Tenant, url: str) -> m.Attachment: ...

    async def detach(self, tenant: Tenant) -> None: ...
    def logs(self, tenant: Tenant) -> str: ...


@dataclass(frozen=True, slots=True)
class KeeperApi:
    control: Control
    cells: CellDesk
    homes: Homes
    broadcast: Broadcast
    base_path: str
    clock: Callable[[], float]
    status_now: Callable[[], m.Status]
    retire_now: Callable[[], bool]
    believed_keys: IdentityCache
    """Keys that were proved over gRPC."""
    live: LiveFeeds

    def end_streams(self) -> None:
        """What has no end by itself would keep the socket from closing."""
        self.broadcast.close()
        self.live.close()

    async def status(self) -> m.Status:
        return self.status_now()

    async def retire(self) -> m.Retired:
        """Make way for a keeper that somebody starts by hand: only one that was started for a
        command does, and only while no gateway needs it."""
        return m.Retired(self.broadcast.count == 0 and self.retire_now())

    async def snapshot(self) -> m.Event:
        """Where a gateway's watch starts."""
        await self.cells.warm()
        return m.Snapshot(
            base_path=self.base_path,
            enabled=await self.is_enabled(),
            tenants=await self.list_tenants(),
            revoked=await self.control.sessions.revoked(),
        )

    async def is_enabled(self) -> bool:
        """As `roost on` and `roost off` say; each gateway's own setting comes on top."""
        return await self.control.installation.get("enabled") != "no"

    async def switch(self, wish: m.Switch) -> m.Done:
        await self.control.installation.put("enabled", "yes" if wish.enabled else "no")
        self.broadcast.publish(m.Switched(wish.enabled))
        return m.Done()

    async def prove_key(self, proof: m.KeyProof) -> m.ProvedKey:
        """Unknown, revoked and wrong look alike."""
        record = await self.control.keys.find(proof.key_id)
        if record is None or not api_key.proves(record, proof.secret_hash):
            raise NotSignedIn(
                "This key is not valid (any more). List keys with `roost keys list`, make one "
                "with `roost keys create`.",
                reason=f"key {proof.key_id} unknown, revoked or wrong",
            )
        await self.control.keys.used(record)
        return m.ProvedKey(
            tenant_id=record.tenant_id,
            tenant_slug=record.tenant_slug,
            name=record.name,
            scopes=sorted(record.scopes),
            project_pattern=record.project_pattern,
            default_project=record.default_project,
        )

    async def prove_session(self, proof: m.SessionProof) -> m.ProvedSession:
        session = await self.control.sessions.find(proof.token_hash)
        if session is None:
            raise NotSignedIn(
                "This session has ended. Sign in again with a new link: `roost link`.",
                reason="link session unknown or over",
            )
        return m.ProvedSession(session.id, session.expires_at)

    async def new_link(self, link: m.NewLink) -> m.Done:
        await self.control.sessions.add_link(link.token_hash, self.clock() + link.lifetime_s)
        return m.Done()

    async def begin_session(self, begin: m.BeginSession) -> m.ProvedSession:
        if not await self.control.sessions.burn_link(begin.link_hash):
            raise NotSignedIn(
                "This sign-in link was used or is too old. Make a new one with `roost link`.",
                reason="link burnt, expired or unknown",
            )
        session = Session(begin.session_id, self.clock() + begin.lifetime_s)
        await self.control.sessions.begin(begin.session_hash, session)
        return m.ProvedSession(session.id, session.expires_at)

    async def revoke(self, revocation: m.Revocation) -> m.Done:
        await self.control.sessions.revoke(revocation.proof_id, revocation.until)
        self.broadcast.publish(m.Revoked(revocation.proof_id))
        return m.Done()

    async def see(self, sighting: m.Sighting) -> m.Done:
        await self.control.sightings.note(sighting.email, sighting.subject)
        return m.Done()

    async def sightings(self) -> list[tuple[str, str, float]]:
        return await self.control.sightings.all()

    async def create_tenant(self, new: m.NewTenant) -> m.TenantRow:
        row = _row(await self.control.tenants.create(new.slug, new.name))
        self.broadcast.publish(m.TenantAdded(row))
        return row

    async def list_tenants(self) -> list[m.TenantRow]:
        return [_row(tenant) for tenant in await self.control.tenants.all()]

    async def delete_tenant(self, name: m.TenantName) -> m.Done:
        tenant = await self.control.tenants.by_slug(name.tenant)
        await self.control.tenants.start_deleting(tenant.id)
        self.believed_keys.drop_all()
        self.broadcast.publish(m.TenantGone(_row(tenant)))
        await self.finish_deleting(tenant.id)
        return m.Done()

    async def finish_deleting(self, tenant_id: TenantId) -> None:
        self.live.end(tenant_id)
        await self.homes.remove(tenant_id)
        await self.cells.remove(tenant_id)
        await self.control.tenants.forget(tenant_id)

    async def create_key(self, new: m.NewKey) -> m.MintedKey:
        tenant = await self.control.tenants.by_slug(new.tenant)
        minted = api_key.mint()
        record = KeyRecord(
            id=minted.id,
            tenant_id=tenant.id,
            tenant_slug=tenant.slug,
            name=new.name or minted.id,
            secret_hash=minted.secret_hash,
            scopes=_scopes(new.scopes),
            created_at=self.clock(),
            project_pattern=new.project_pattern,
            default_project=new.default_project,
        )
        api_key.check(record)
        await self.control.keys.add(record)
        return m.MintedKey(minted.id, minted.token, tenant.slug, sorted(record.scopes))

    async def list_keys(self, name: m.TenantName) -> list[m.KeyRow]:
        tenant = await self.control.tenants.by_slug(name.tenant)
        return [_key_row(record) for record in await self.control.keys.of_tenant(tenant.id)]

    async def revoke_key(self, name: m.KeyName) -> m.Done:
        tenant = await self.control.tenants.by_slug(name.tenant)
        await self.control.keys.revoke(tenant.id, name.key_id)
        self.believed_keys.drop(name.key_id)
        self.broadcast.publish(m.Revoked(name.key_id))
        return m.Done()

    async def route(self, person: m.Person) -> m.Route | m.Waking:
        return await self.cells.route(await self.control.tenants.by_id(person.tenant_id), person)

    async def append(self, append: m.Append) -> m.Appended:
        """Durable once this returns."""
        home = await self._home_by_id(append.tenant_id)
        return m.Appended(await home.append(Kind(append.kind), append.bodies))

    async def append_spans(self, tenant_id: TenantId, payloads: tuple[bytes, ...]) -> None:
        await (await self._home_by_id(tenant_id)).append(Kind.SPANS, payloads)

    async def erase(self, erase: m.Erase) -> m.Erasing:
        """Held back first, so that what is deleted in the cell stays deleted."""
        home = await self._home_by_id(erase.tenant_id)
        things = [Erasure(Erased(one.what), one.id, one.since, one.until) for one in erase.things]
        return m.Erasing(await Eraser(self.cells.name_of).begin(home, things, erase.subject))

    async def erased(self, erased: m.Erased) -> m.Done:
        home = await self._home_by_id(erased.tenant_id)
        await home.end_erasing(erased.id, happened=erased.happened)
        return m.Done()

    async def arrived(self, asked: m.Arrival) -> m.Done:
        """Returns once what the log holds of them is in Phoenix. Unavailable where that takes too
        long."""
        home = await self._home_by_id(asked.tenant_id)
        await home.arrived(
            [bytes.fromhex(one) for one in asked.span_ids],
            [bytes.fromhex(one) for one in asked.trace_ids],
        )
        return m.Done()

    async def reconcile(self, asked: m.Reconcile) -> m.Done:
        """Look at the cell again, soon."""
        (await self._home_by_id(asked.tenant_id)).wants_look.set()
        return m.Done()

    async def known_spans(self, asked: m.SpanIds) -> list[str]:
        """Those of them that the tenant has sent before."""
        home = await self._home_by_id(asked.tenant_id)
        return await home.index.known(asked.span_ids)

    async def project_name(self, asked: m.ProjectId) -> m.ProjectName:
        tenant = await self.control.tenants.by_id(asked.tenant_id)
        return m.ProjectName(await self.cells.name_of(tenant, Node.PROJECT, asked.row))

    async def ingest_status(self) -> list[m.IngestRow]:
        tenants = await self.control.tenants.all()
        return [await (await self.homes.of(tenant)).row() for tenant in tenants]

    async def ingest_parked(self, query: m.ParkedQuery) -> list[m.ParkedRow]:
        home = await self._home(query.tenant)
        return [_parked(row) for row in await home.progress.parked(query.after, query.limit)]

    async def ingest_retry(self, retry: m.Retry) -> m.Retried:
        return m.Retried(await (await self._home(retry.tenant)).retry(retry.ids))

    async def ingest_rebuild(self, rebuild: m.Rebuild) -> m.Rebuilding:
        """It goes on in the keeper; how far it is, whoever asks again is told."""
        rebuilder = (await self._home(rebuild.tenant)).rebuilder
        if rebuilder is None:
            raise Unavailable("The home of this tenant is not open yet. Try again in a moment.")
        return rebuilder.start() if rebuild.start else rebuilder.state()

    async def _home(self, slug: str) -> Home:
        return await self.homes.of(await self.control.tenants.by_slug(slug))

    async def _home_by_id(self, tenant_id: str) -> Home:
        return await self.homes.of(await self.control.tenants.by_id(tenant_id))

    async def cells_used(self, used: m.CellsUsed) -> m.Done:
        for tenant_id in used.tenant_ids:
            self.cells.used(TenantId(tenant_id))
        return m.Done()

    async def list_cells(self) -> list[m.CellRow]:
        return await self.cells.rows(await self.control.tenants.all())

    async def stop_cell(self, name: m.TenantName) -> m.Done:
        """What it has accepted and not stored yet is waited for, a little."""
        tenant = await self.control.tenants.by_slug(name.tenant)
        await (await self.homes.of(tenant)).drained()
        await self.cells.stop(tenant)
        return m.Done()

    async def cell_logs(self, name: m.TenantName) -> m.Text:
        return m.Text(self.cells.logs(await self.control.tenants.by_slug(name.tenant)))

    async def attach_cell(self, attach: m.Attach) -> m.Attachment:
        tenant = await self.control.tenants.by_slug(attach.tenant)
        return await self.cells.attach(tenant, _cell_url(attach.url))

    async def detach_cell(self, name: m.TenantName) -> m.Done:
        await self.cells.detach(await self.control.tenants.by_slug(name.tenant))
        return m.Done()


def _row(tenant: Tenant) -> m.TenantRow:
    return m.TenantRow(tenant.id, tenant.slug, tenant.name)


def _parked(row: Parked) -> m.ParkedRow:
    parking = row.parking
    return m.ParkedRow(
        id=row.id,
        trace_id=parking.trace_id.hex(),
        span_id=parking.span_id.hex(),
        project=parking.project,
        reason=parking.reason,
        parked_at=row.parked_at,
    )


def _cell_url(text: str) -> str:
    """Scheme, host and port as they are sent, nothing else."""
    parts = urlsplit(text)
    plain = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in ("http", "https") or not parts.hostname or text.rstrip("/") != plain:
        raise BadRequest(f"{text!r} is no cell's URL: write it like http://phoenix:6006.")
    return plain


def _scopes(names: list[str]) -> frozenset[Scope]:
    try:
        scopes = frozenset(Scope(name) for name in names)
    except ValueError:
        scopes = frozenset()
    if not scopes:
        raise BadRequest(f"A key's scopes are some of: {', '.join(Scope)}.")
    return scopes


def _key_row(record: KeyRecord) -> m.KeyRow:
    return m.KeyRow(
        id=record.id,
        name=record.name,
        scopes=sorted(record.scopes),
        project_pattern=record.project_pattern,
        default_project=record.default_project,
        created_at=record.created_at,
        revoked_at=record.revoked_at,
        last_used_at=record.last_used_at,
    )
