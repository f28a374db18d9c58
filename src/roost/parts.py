"""What the keeper's cells and homes need: the master key, the OIDC provider, the egress proxy.

It builds and never decides; what it opens is closed by the stack that it was given.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from starlette.applications import Starlette

from roost.analytics.taking import Terms
from roost.cells.certificates import ensure_certificates, publish, trust_bundle
from roost.cells.codes import Codes
from roost.cells.egress import EgressProxy
from roost.cells.egress_rules import parse_rules, proxy_url
from roost.cells.environment import TESTED_PHOENIX, CellSpec, base_environment
from roost.cells.installed import phoenix_version
from roost.cells.launcher import Launcher, SpawnLauncher
from roost.cells.secrets import (
    CellSecrets,
    cell_secrets,
    load_or_create_master_key,
    people_key,
)
from roost.cells.sign_in import SignIn
from roost.cells.signing_key import load_signing_key
from roost.cells.sso import Provider
from roost.cells.starter import CellLimits
from roost.cells.zygote_launcher import ZygoteLauncher
from roost.homes import HomeOpener, HomeTerms, OnApplied
from roost.http import messages as m
from roost.http.attached_cells import AttachTerms
from roost.http.cell_desk import Desk
from roost.http.guard import is_loopback
from roost.http.home_upkeep import UpkeepTerms
from roost.http.homes import Homes
from roost.http.managed_cells import ManagedDesk
from roost.http.serving import listen_tcp, serving
from roost.log.segments import SegmentLimits
from roost.model import Tenant, TenantId
from roost.policy.forwarding import ForwardPolicy, parse_policy
from roost.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What cells of both kinds need."""

    settings: Settings
    data_dir: Path
    master_key: bytes
    sign_in: SignIn
    loopback_url: str
    """The OIDC provider for managed cells; Phoenix takes plain HTTP from `localhost` alone."""
    tls_url: str
    """The same for attached cells, or "" where Roost listens on loopback alone."""
    authority_pem: str
    egress_port: int

    @classmethod
    async def open(cls, settings: Settings, data_dir: Path, stack: AsyncExitStack) -> "Parts":
        master_key = load_or_create_master_key(data_dir / "master.key")
        key = load_signing_key(data_dir / "oidc.pem")
        codes = Codes(time.time)

        def secret_of(client_id: str) -> str | None:
            return cell_secrets(master_key, TenantId(client_id)).oidc_client

        def app(base_url: str) -> Starlette:
            return Provider(base_url, key, codes, secret_of, time.time).app()

        inside = listen_tcp("127.0.0.1", 0, "internal_port")
        loopback_url = f"http://localhost:{inside.getsockname()[1]}"
        await stack.enter_async_context(serving(app(loopback_url), inside))
        tls_url, authority = "", ""
        if not is_loopback(settings.internal_host):
            tls_url, authority = await _tls_listener(settings, data_dir, app, stack)
        issuer = loopback_url.removeprefix("http://")
        rules = parse_rules(settings.egress_allow, always=(f"http://{issuer}",))
        proxy = EgressProxy(rules, lambda tenant_id: cell_secrets(master_key, tenant_id).egress)
        port = await stack.enter_async_context(proxy.serving())
        sign_in = SignIn(codes.mint, time.time)
        return cls(settings, data_dir, master_key, sign_in, loopback_url, tls_url, authority, port)

    @property
    def people_key(self) -> bytes:
        return people_key(self.master_key)

    def secrets_of(self, tenant_id: TenantId) -> CellSecrets:
        return cell_secrets(self.master_key, tenant_id)

    def home_of(self, tenant_id: TenantId) -> Path:
        return self.data_dir / "homes" / tenant_id

    def mount_of(self, tenant: Tenant) -> str:
        return f"{self.settings.base_path}/ui/{tenant.slug}"

    @property
    def public_url(self) -> str:
        settings = self.settings
        return settings.public_url or f"http://{settings.host}:{settings.port}"

    def spec(self, tenant: Tenant, port: int) -> CellSpec:
        secrets = self.secrets_of(tenant.id)
        return CellSpec(
            tenant_id=tenant.id,
            slug=tenant.slug,
            home=self.home_of(tenant.id),
            port=port,
            mount=self.mount_of(tenant),
            public_url=self.public_url,
            discovery_url=f"{self.loopback_url}/{tenant.id}/.well-known/openid-configuration",
            client_id=tenant.id,
            secrets=secrets,
            egress_proxy_url=proxy_url(self.egress_port, tenant.id, secrets.egress),
        )

    def launcher(self) -> Launcher:
        scratch = self.data_dir / "scratch"
        scratch.mkdir(mode=0o700, exist_ok=True)
        environment = base_environment(os.environ, scratch)
        spawn = SpawnLauncher(environment)
        can_fork = sys.platform.startswith("linux") and phoenix_version()
        if self.settings.launcher == "spawn" or not can_fork:
            return spawn
        log_path = self.data_dir / "zygote.log"
        return ZygoteLauncher(environment, log_path, clock=time.time, fallback=spawn)

    def limits(self) -> CellLimits:
        settings = self.settings
        return CellLimits(
            start_timeout_s=settings.cell_start_timeout_s,
            memory_bytes=settings.cell_memory_mb * 1024 * 1024,
            awake_max=settings.cells_awake_max,
            idle_after_s=settings.cell_idle_after_s,
        )

    @property
    def policies(self) -> Mapping[str, ForwardPolicy]:
        given = self.settings.forward_policy
        return {pattern: parse_policy(text) for pattern, text in given.items()}

    def homes(self, desk: Desk, on_applied: OnApplied) -> Homes:
        settings = self.settings
        terms = HomeTerms(
            policies=self.policies,
            log_limits=SegmentLimits(quota_bytes=settings.log_quota_mb * 2**20),
            events=Terms(settings.events_retention_days, settings.events_ask_first),
            upkeep=UpkeepTerms(settings.retention_days, settings.log_keep_mb * 2**20),
        )
        opener = HomeOpener(
            self.data_dir / "homes", terms, desk.connected, on_applied, time.time, desk.view
        )
        return Homes(opener.open, time.time, settings.homes_open_max)

    def terms(self) -> AttachTerms:
        return AttachTerms(
            provider_url=self.tls_url or self.loopback_url,
            public_url=self.public_url,
            mount_of=self.mount_of,
            trust_pem=trust_bundle(self.authority_pem) if self.authority_pem else "",
            tested_versions=TESTED_PHOENIX,
        )

    def status(self, managed: ManagedDesk) -> m.Status:
        state = managed.launcher_state
        return m.Status(
            pid=os.getpid(),
            version=version("roost"),
            base_path=self.settings.base_path,
            launcher=self.settings.launcher,
            phase=state.phase,
            launcher_s=state.seconds,
            internal_url=self.tls_url or self.loopback_url,
            egress_url=f"http://127.0.0.1:{self.egress_port}",
            data_dir=str(self.data_dir),
        )


async def _tls_listener(
    settings: Settings,
    data_dir: Path,
    app: Callable[[str], Starlette],
    stack: AsyncExitStack,
) -> tuple[str, str]:
    """The provider for attached cells: its URL, and the authority (PEM) of its certificate."""
    names = (settings.internal_host, *settings.internal_names)
    folder = data_dir / "tls"
    folder.mkdir(mode=0o700, exist_ok=True)
    certificates = ensure_certificates(folder, names, time.time)
    # For a Phoenix in a container: this folder, and nothing else of the data directory.
    trust = data_dir / "trust"
    trust.mkdir(exist_ok=True)
    trust.chmod(0o755)
    publish(trust / "trust.pem", trust_bundle(certificates.authority_pem))
    listening = listen_tcp(settings.internal_host, settings.internal_port, "internal_host")
    name = settings.internal_names[0] if settings.internal_names else settings.internal_host
    url = f"https://{name}:{listening.getsockname()[1]}"
    await stack.enter_async_context(serving(app(url), listening, certificates.chain))
    return url, certificates.authority_pem
