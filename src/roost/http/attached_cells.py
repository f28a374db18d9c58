"""Attached cells at the keeper: a Phoenix that someone else runs, as one tenant's own.

Rule: it is probed before it is believed, and attached only when nothing speaks against it.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from roost.cells.attached import AttachedCell, Instructions, attach_instructions, probe
from roost.cells.client import CellClient, open_session
from roost.cells.people import service_user
from roost.cells.secrets import CellSecrets
from roost.cells.sign_in import SignIn
from roost.http import messages as m
from roost.model import Tenant, TenantId
from roost.storage.attachments import Attachments


@dataclass(frozen=True, slots=True)
class AttachTerms:
    """What every attached Phoenix is told. `provider_url` is the internal listener as it reaches
    it; `public_url` the app's origin; `mount_of` gives a tenant's UI prefix there."""

    provider_url: str
    public_url: str
    mount_of: Callable[[Tenant], str]
    trust_pem: str
    tested_versions: tuple[str, ...]


@dataclass(slots=True)
class AttachedCells:
    attachments: Attachments
    sign_in: SignIn
    people_key: bytes
    secrets_of: Callable[[TenantId], CellSecrets]
    terms: AttachTerms
    stack: AsyncExitStack
    """Closes the connections at the end."""
    _clients: dict[str, CellClient] = field(default_factory=dict)

    async def client(self, tenant: Tenant) -> CellClient | None:
        """None where the tenant has no attached cell."""
        url = await self.attachments.url_of(tenant.id)
        return None if url is None else await self._client(tenant.id, url)

    def is_instance(self, instance: str) -> bool:
        """It names an attached cell: whether that one runs, only its answers tell."""
        return instance in self._clients

    async def row(self, tenant: Tenant) -> m.CellRow | None:
        url = await self.attachments.url_of(tenant.id)
        if url is None:
            return None
        return m.CellRow(tenant=tenant.slug, kind="attached", state="attached", url=url)

    async def attach(self, tenant: Tenant, url: str) -> m.Attachment:
        """Attached where the probe finds nothing; else what to start that Phoenix with."""
        client = await self._client(tenant.id, url)
        findings = await probe(
            client,
            self.sign_in,
            service_user(self.people_key),
            tested_versions=self.terms.tested_versions,
            root_path=self.terms.mount_of(tenant),
        )
        if not findings:
            await self.attachments.attach(tenant.id, url)
        told = self._instructions(tenant, url)
        return m.Attachment(
            attached=not findings,
            findings=findings,
            environment=dict(told.environment),
            trust_pem=told.trust_pem,
        )

    async def detach(self, tenant_id: TenantId) -> None:
        await self.attachments.detach(tenant_id)

    async def _client(self, tenant_id: TenantId, url: str) -> CellClient:
        instance = f"attached-{tenant_id}-{url}"
        if instance not in self._clients:
            secrets = self.secrets_of(tenant_id)
            self._clients[instance] = CellClient(
                session=await self.stack.enter_async_context(open_session()),
                address=url,
                instance=instance,
                client_id=tenant_id,
                secret=secrets.signing,
                admin_secret=secrets.admin,
            )
        return self._clients[instance]

    def _instructions(self, tenant: Tenant, url: str) -> Instructions:
        secrets = self.secrets_of(tenant.id)
        cell = AttachedCell(
            tenant_id=tenant.id,
            url=url,
            client_id=tenant.id,
            client_secret=secrets.oidc_client,
            secret=secrets.signing,
            admin_secret=secrets.admin,
            admin_password=secrets.admin_password,
        )
        return attach_instructions(
            cell,
            provider_url=self.terms.provider_url,
            public_url=self.terms.public_url,
            root_path=self.terms.mount_of(tenant),
            trust_pem=self.terms.trust_pem,
        )
