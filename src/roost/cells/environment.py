"""What a cell is started with: the whole environment of its process.

Rule 1: pure. Rule 2: an environment is built from nothing, by name: what the host has set reaches a
cell only if HOST_NAMES lists it, so no provider key of the host ever becomes a tenant's. Rule 3:
what Phoenix reads while it is imported is the same for all cells and stands in SHARED.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from roost.cells.attached import HARDENING
from roost.cells.client import IDP
from roost.cells.secrets import CellSecrets
from roost.model import Slug, TenantId

TESTED_PHOENIX = ("20.26.1",)
"""The versions that the policy tables were compared with."""
HOST_NAMES = (
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONPATH",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
)
"""What a cell may inherit: how to find programs, speak and tell the time, and whom to trust."""
ONE_THREAD: Mapping[str, str] = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Without these the import leaves three threads, and a fork of it may deadlock."""
SHARED: Mapping[str, str] = {**HARDENING, "PHOENIX_HOST": "127.0.0.1"}
"""The same for all cells, so that it is right whether Phoenix reads it at import or later."""


@dataclass(frozen=True, slots=True)
class CellSpec:
    """All that makes one tenant's cell. URLs are without a slash at their end."""

    tenant_id: TenantId
    slug: Slug
    home: Path
    """Absolute. The cell's own part is `<home>/phoenix`."""
    port: int
    mount: str
    """URL path of the cell's UI, `/api/phoenix/ui/acme`."""
    public_url: str
    """Origin of the app as browsers see it."""
    discovery_url: str
    """OpenID Connect discovery; plain HTTP only at `localhost` (Phoenix refuses 127.0.0.1)."""
    client_id: str
    secrets: CellSecrets = field(repr=False)
    egress_proxy_url: str | None = field(default=None, repr=False)
    """`http://user:password@127.0.0.1:port`; None: the cell connects by itself."""
    database_url: str | None = field(default=None, repr=False)
    """None: SQLite in the home. On PostgreSQL a database and a role of this tenant's own."""

    @property
    def working_dir(self) -> Path:
        return self.home / "phoenix"

    @property
    def temp_dir(self) -> Path:
        return self.working_dir / "tmp"

    @property
    def log_path(self) -> Path:
        """Beside the cell's own directory, so that the cell cannot replace it."""
        return self.home / "cell.log"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def base_environment(host: Mapping[str, str], scratch: Path) -> dict[str, str]:
    """The environment in which Phoenix is imported; it names no tenant.

    `scratch` is an absolute directory without content of anybody's: Phoenix makes directories
    there at import.
    """
    inherited = {name: host[name] for name in HOST_NAMES if name in host}
    nowhere = {"HOME": str(scratch), "PHOENIX_WORKING_DIR": str(scratch), "TMPDIR": str(scratch)}
    return {**inherited, **ONE_THREAD, **SHARED, **nowhere, "PYTHONUNBUFFERED": "1"}


def cell_environment(spec: CellSpec) -> dict[str, str]:
    """What is added to the base environment, or replaced in it, for this one cell."""
    return {**SHARED, **_server(spec), **_sign_in(spec), **_egress(spec)}


def _server(spec: CellSpec) -> dict[str, str]:
    sqlite = f"sqlite:///{spec.working_dir / 'phoenix.db'}"
    return {
        "HOME": str(spec.working_dir),
        "TMPDIR": str(spec.temp_dir),
        "PHOENIX_WORKING_DIR": str(spec.working_dir),
        "PHOENIX_SQL_DATABASE_URL": spec.database_url or sqlite,
        "PHOENIX_PORT": str(spec.port),
        "PHOENIX_HOST_ROOT_PATH": spec.mount,
        "PHOENIX_COOKIES_PATH": spec.mount,
        "PHOENIX_ROOT_URL": spec.public_url + spec.mount,
        "PHOENIX_SECRET": spec.secrets.signing,
        "PHOENIX_ADMIN_SECRET": spec.secrets.admin,
        "PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD": spec.secrets.admin_password,
    }


def _sign_in(spec: CellSpec) -> dict[str, str]:
    provider = f"PHOENIX_OAUTH2_{IDP.upper()}"
    return {
        f"{provider}_CLIENT_ID": spec.client_id,
        f"{provider}_CLIENT_SECRET": spec.secrets.oidc_client,
        f"{provider}_OIDC_CONFIG_URL": spec.discovery_url,
    }


def _egress(spec: CellSpec) -> dict[str, str]:
    """All connections go through the proxy but those to Roost's own OIDC port.

    The exception carries scheme and port, which httpx understands (Phoenix signs in by it) and
    other clients ignore: `NO_PROXY=localhost` would open every port of the machine.
    """
    if spec.egress_proxy_url is None:
        return {}
    issuer = urlsplit(spec.discovery_url)
    names = {
        "HTTP_PROXY": spec.egress_proxy_url,
        "HTTPS_PROXY": spec.egress_proxy_url,
        "ALL_PROXY": spec.egress_proxy_url,
        "NO_PROXY": f"{issuer.scheme}://{issuer.netloc}",
    }
    return {**names, **{name.lower(): value for name, value in names.items()}}
