"""A stock Phoenix that trusts a Roost provider served beside it."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn
from tests.cells.stock_phoenix import until

from roost.cells.attached import AttachedCell, attach_instructions
from roost.cells.client import CellClient, open_session
from roost.cells.codes import Codes
from roost.cells.people import CellUser, cell_user
from roost.cells.sign_in import SignIn
from roost.cells.signing_key import load_signing_key
from roost.cells.sso import Provider
from roost.model import Principal, Proof, Role, Slug, Tenant, TenantId

KEY = b"installation key of the tests"
ROOT_PATH = "/api/phoenix/ui/acme"
ACME = Tenant(TenantId("t-acme"), Slug("acme"), "Acme")


@dataclass(frozen=True)
class SignedCell:
    cell: AttachedCell
    codes: Codes
    clock: Callable[[], float]

    def sign_in(self) -> SignIn:
        """Nothing remembered yet."""
        return SignIn(self.codes.mint, self.clock)

    @asynccontextmanager
    async def client(self, instance: str = "first", **changes: Any) -> AsyncIterator[CellClient]:
        async with open_session(ca_pem=self.cell.ca_pem) as session:
            client = CellClient(
                session,
                self.cell.url,
                instance,
                self.cell.client_id,
                self.cell.secret,
                self.cell.admin_secret,
            )
            yield replace(client, **changes)


class Clock:
    """Seconds since the epoch, moved by tests."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def principal(
    who: str, role: Role | None = Role.VIEWER, proof: Proof = Proof.NEXTAUTH, **changes: Any
) -> Principal:
    known = Principal(
        tenant=ACME,
        subject=who.lower(),
        role=role,
        proof=proof,
        proof_id=f"proof-of-{who.lower()}",
        valid_until=2e9,
        name=who,
        email=f"{who.lower()}@example.com",
        issuer="https://app.example.com",
    )
    return replace(known, **changes)


def user(name: str, role: Role = Role.VIEWER) -> CellUser:
    found = cell_user(KEY, principal(name, role))
    assert found is not None
    return found


def attached_cell(url: str, tenant: str = "t-acme") -> AttachedCell:
    return AttachedCell(
        tenant_id=TenantId(tenant),
        url=url,
        client_id=f"roost-{tenant}",
        client_secret=f"client-secret-of-{tenant}",
        secret=f"phoenix-secret-of-{tenant}-0123456789abcdef",
        admin_secret=f"admin-secret-of-{tenant}-0123456789abcdef",
        admin_password=f"never-used-{tenant}-0123456789",
    )


def provider(
    directory: Path, base_url: str, cell: AttachedCell, clock: Callable[[], float]
) -> Provider:
    secrets = {cell.client_id: cell.client_secret}
    key = load_signing_key(directory / "signing.pem")
    return Provider(base_url, key, Codes(clock), secrets.get, clock)


def environment(
    cell: AttachedCell, provider_url: str, directory: Path, port: int
) -> dict[str, str]:
    """What `attach` prints, and where this one Phoenix listens and keeps its data."""
    instructions = attach_instructions(
        cell,
        provider_url=provider_url,
        public_url="http://127.0.0.1:8420",
        root_path=ROOT_PATH,
        trust_pem="",
    )
    return {
        **instructions.environment,
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_WORKING_DIR": str(directory),
    }


@contextmanager
def served(app: Provider, host: str, port: int, chain: Path | None = None) -> Iterator[None]:
    """The provider's listener, in a thread of its own."""
    config = uvicorn.Config(
        app.app(), host=host, port=port, log_level="warning", ssl_certfile=chain, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="provider")
    thread.start()
    try:
        until(lambda: server.started, "the provider listened", 20)
        yield
    finally:
        server.should_exit = True
        thread.join(20)
