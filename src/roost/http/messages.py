"""What gateway, CLI and keeper say to each other over the keeper's socket, as msgspec types.

Rule: the socket is the owner's alone (mode 0600), so what comes over it is trusted; what the
gateway decided (who, which role) is stated in full, never as a header of the caller.
"""

import hashlib
import tempfile
from pathlib import Path

from msgspec import Struct

SOCKET_NAME = "keeper.sock"
SOCKET_PATH_BYTES_MAX = 100
"""Unix sockets have no longer names (104 bytes on macOS, 108 on Linux)."""


def socket_path(data_dir: Path) -> Path:
    """Where the keeper of that data directory listens."""
    path = data_dir.resolve() / SOCKET_NAME
    if len(bytes(path)) <= SOCKET_PATH_BYTES_MAX:
        return path
    digest = hashlib.sha256(bytes(path)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"roost-{digest}" / SOCKET_NAME


class TenantRow(Struct, frozen=True):
    id: str
    slug: str
    name: str


class Snapshot(Struct, frozen=True, tag="snapshot"):
    """Where a watcher starts: the whole state that gateways decide by."""

    base_path: str
    enabled: bool
    tenants: list[TenantRow]
    revoked: list[str]


class TenantAdded(Struct, frozen=True, tag="tenant_added"):
    tenant: TenantRow


class TenantGone(Struct, frozen=True, tag="tenant_gone"):
    tenant: TenantRow


class Switched(Struct, frozen=True, tag="switched"):
    enabled: bool


class Revoked(Struct, frozen=True, tag="revoked"):
    """Forget every identity that was proved by `proof_id`, now."""

    proof_id: str


class CellGone(Struct, frozen=True, tag="cell_gone"):
    """Routes to this instance lead nowhere any more."""

    tenant_id: str
    instance: str


class Heartbeat(Struct, frozen=True, tag="heartbeat"):
    pass


Event = Snapshot | TenantAdded | TenantGone | Switched | Revoked | CellGone | Heartbeat


class KeyProof(Struct, frozen=True):
    key_id: str
    secret_hash: bytes


class SessionProof(Struct, frozen=True):
    token_hash: bytes


class ProvedKey(Struct, frozen=True):
    tenant_id: str
    tenant_slug: str
    name: str
    scopes: list[str]
    project_pattern: str | None
    default_project: str | None


class ProvedSession(Struct, frozen=True):
    id: str
    expires_at: float


class Person(Struct, frozen=True):
    """Whom a route is for, as the gateway decided it."""

    tenant_id: str
    issuer: str
    subject: str
    name: str
    role: int | None
    """None: the service's own way in, for spans."""
    is_key: bool
    stale: str = ""
    """The token that was refused, or the instance that did not answer: make a new one."""

    wait_s: float = 0.0
    """How long to wait for a sleeping cell before answering Waking."""


class Route(Struct, frozen=True, tag="route"):
    address: str
    instance: str
    token: str
    valid_until: float


class Waking(Struct, frozen=True, tag="waking"):
    """The cell is on its way: what it is doing, and for how long."""

    phase: str
    seconds: float


class Append(Struct, frozen=True):
    """Records for a tenant's log, all of them or none."""

    tenant_id: str
    kind: str
    bodies: list[bytes]


class Appended(Struct, frozen=True):
    """The position of the last of them; all are durable."""

    position: int


class ErasedThing(Struct, frozen=True):
    """The fields of `policy.erasures.Erasure`."""

    what: str
    id: str
    since: float | None = None
    until: float | None = None


class Erase(Struct, frozen=True):
    """What somebody who may is about to delete in the tenant's Phoenix."""

    tenant_id: str
    things: list[ErasedThing]
    subject: str


class Erasing(Struct, frozen=True):
    """What to end it by; 0 where nothing is deleted."""

    id: int


class Erased(Struct, frozen=True):
    """Whether the tenant's Phoenix has done it."""

    tenant_id: str
    id: int
    happened: bool


class Arrival(Struct, frozen=True):
    """What must be in Phoenix before a write that names it. Ids in hex."""

    tenant_id: str
    span_ids: list[str]
    trace_ids: list[str] = []


class Reconcile(Struct, frozen=True):
    """Traces or annotations of the tenant's cell may have changed behind its log."""

    tenant_id: str


class SpanIds(Struct, frozen=True):
    """Ids in hex."""

    tenant_id: str
    span_ids: list[str]


class ProjectId(Struct, frozen=True):
    """The row id that stands in a project's Relay id."""

    tenant_id: str
    row: int


class ProjectName(Struct, frozen=True):
    """None where there is no such project."""

    name: str | None


class IngestRow(Struct, frozen=True):
    """How a tenant's log is read. `received`, `settled` and `indexed` are positions in it; the rest
    counts spans but for `waiting`, which counts annotations. `fault` is why nothing goes on to
    Phoenix just now, "" while it does."""

    tenant: str
    received: int
    settled: int
    indexed: int
    unconfirmed: int
    confirmed: int
    skipped: int
    deleted: int
    parked: int
    waiting: int
    stored_bytes: int
    oldest_pending_s: float
    fault: str


class ParkedQuery(Struct, frozen=True):
    tenant: str
    after: int = 0
    limit: int = 100


class ParkedRow(Struct, frozen=True):
    """A span that Phoenix does not take. Ids in hex."""

    id: int
    trace_id: str
    span_id: str
    project: str
    reason: str
    parked_at: float


class Retry(Struct, frozen=True):
    """Send parked spans again; no ids means all."""

    tenant: str
    ids: list[int] = []


class Retried(Struct, frozen=True):
    count: int


class Rebuild(Struct, frozen=True):
    """Build the tenant's index anew; without `start` only say how far that is."""

    tenant: str
    start: bool = False


class Rebuilding(Struct, frozen=True):
    """`done` of `total` records are read. `note` is what could not be had, `fault` why it failed:
    the old index stays then."""

    phase: str
    done: int
    total: int
    over: bool = False
    note: str = ""
    fault: str = ""


class CellsUsed(Struct, frozen=True):
    """Ids of tenants whose cells a gateway uses, or has used since it last said so."""

    tenant_ids: list[str]


class BeginSession(Struct, frozen=True):
    """Burn the link and begin a session in one step."""

    link_hash: bytes
    session_hash: bytes
    session_id: str
    lifetime_s: float


class NewLink(Struct, frozen=True):
    token_hash: bytes
    lifetime_s: float


class TenantName(Struct, frozen=True):
    tenant: str


class KeyName(Struct, frozen=True):
    tenant: str
    key_id: str


class Switch(Struct, frozen=True):
    enabled: bool


class Attach(Struct, frozen=True):
    tenant: str
    url: str


class Attachment(Struct, frozen=True):
    """`environment` is what that Phoenix has to be started with; `findings` is why it is not
    attached (yet)."""

    attached: bool
    findings: list[str]
    environment: dict[str, str]
    trust_pem: str


class Retired(Struct, frozen=True):
    """Whether the keeper ends now."""

    ends: bool


class Text(Struct, frozen=True):
    text: str


class Done(Struct, frozen=True):
    pass


class NewTenant(Struct, frozen=True):
    slug: str
    name: str = ""


class NewKey(Struct, frozen=True):
    tenant: str
    scopes: list[str]
    name: str = ""
    project_pattern: str | None = None
    default_project: str | None = None


class MintedKey(Struct, frozen=True):
    id: str
    key: str
    tenant: str
    scopes: list[str]


class KeyRow(Struct, frozen=True):
    id: str
    name: str
    scopes: list[str]
    project_pattern: str | None
    default_project: str | None
    created_at: float
    revoked_at: float | None
    last_used_at: float | None


class CellRow(Struct, frozen=True):
    tenant: str
    kind: str
    state: str
    detail: str = ""
    address: str = ""
    pid: int | None = None
    awake_s: float | None = None
    url: str = ""


class Sighting(Struct, frozen=True):
    email: str
    subject: str


class Revocation(Struct, frozen=True):
    proof_id: str
    until: float


class Status(Struct, frozen=True):
    pid: int
    version: str
    base_path: str
    launcher: str
    phase: str
    """What the launcher is doing: `ready`, or the step of the zygote's start."""
    launcher_s: float
    internal_url: str
    egress_url: str
    data_dir: str


class Refusal(Struct, frozen=True):
    """An error over the socket; it becomes the same error on the other side."""

    kind: str
    message: str
    reason: str = ""
    status: int = 0
    retry_after_s: int = 0
