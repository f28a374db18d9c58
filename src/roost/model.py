"""The nouns. Rule: frozen values, no I/O, no clock, nothing imported from Roost but errors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NewType

TenantId = NewType("TenantId", str)
"""Immutable; homes, databases and clients are named by it. Never shown as a name."""

Slug = NewType("Slug", str)
"""What a tenant is called in URLs: `[a-z0-9-]{1,40}`. A recreated slug is a new tenant."""

SLUG = re.compile(r"[a-z0-9-]{1,40}")


def as_slug(text: str) -> Slug | None:
    """The slug that `text` is, or None.

    >>> as_slug("acme"), as_slug("../acme"), as_slug("Acme"), as_slug("acme\\n")
    ('acme', None, None, None)
    """
    return Slug(text) if SLUG.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class Tenant:
    id: TenantId
    slug: Slug
    name: str


class Role(IntEnum):
    """What somebody may do in a tenant; a higher role may do all that a lower one may.

    END_USER sees its own traces by Roost's API and components only, never raw Phoenix.
    """

    END_USER = 0
    VIEWER = 1
    MEMBER = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        return self.name.lower()


class Scope(StrEnum):
    """What a key may do. READ ⊂ WRITE ⊂ ADMIN are roles; INGEST stands apart, implied by none."""

    INGEST = "ingest"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


ROLE_OF_SCOPE: Mapping[Scope, Role] = {
    Scope.READ: Role.VIEWER,
    Scope.WRITE: Role.MEMBER,
    Scope.ADMIN: Role.ADMIN,
}


class Proof(StrEnum):
    """How somebody proved who they are."""

    NEXTAUTH = "nextauth"
    KEY = "key"
    LINK = "link"
    HOST = "host"
    """The host named its user through `identify=`."""


@dataclass(frozen=True, slots=True)
class IngestGrant:
    """The right to send spans: `project_pattern` must fully match the project (`*` is any run of
    characters); `default_project` is taken where neither header nor resource names one."""

    project_pattern: str = "*"
    default_project: str = "default"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a proof says, before a tenant is chosen.

    `roles` maps the slugs of the tenants this person belongs to to the role in each;
    `everywhere` is the role in every tenant (listed admins, the one-time link), or None.
    `valid_until` is in seconds since the epoch. `proof_id` names the proof itself (key id,
    session id, HMAC of the credential), so that it can be revoked; it is never the credential.
    """

    subject: str
    proof: Proof
    proof_id: str
    valid_until: float
    name: str = ""
    email: str = ""
    user_id: str = ""
    """What `user.id` is in this person's own traces."""
    issuer: str = ""
    roles: Mapping[Slug, Role] = field(default_factory=dict)
    everywhere: Role | None = None
    ingest: IngestGrant | None = None
    tenant_id: TenantId | None = None
    """Set where the proof is bound to one tenant for ever (a key): a recreated slug is another."""

    def role_in(self, slug: Slug) -> Role | None:
        """The role in that tenant, or None: not a member, so the tenant does not exist for them."""
        own = self.roles.get(slug)
        if self.everywhere is None:
            return own
        return self.everywhere if own is None else max(own, self.everywhere)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody in a tenant: who every decision is about."""

    tenant: Tenant
    subject: str
    role: Role | None
    """None: may send spans, nothing else."""
    proof: Proof
    proof_id: str
    valid_until: float
    name: str = ""
    email: str = ""
    user_id: str = ""
    issuer: str = ""
    ingest: IngestGrant | None = None


@dataclass(frozen=True, slots=True)
class CellRoute:
    """The way to a cell for one person, handed out by the keeper.

    `address` is `http://127.0.0.1:<port>` (or an attached cell's URL); `instance` changes with
    every start, and connection pools belong to one instance; `token` is that person's Phoenix
    access token; `valid_until` in seconds since the epoch.
    """

    address: str
    instance: str
    token: str = field(repr=False)
    valid_until: float


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A Roost key as it is stored: the secret only as its hash. Times in seconds since the
    epoch. Pattern and default project belong to keys whose one scope is `ingest`."""

    id: str
    tenant_id: TenantId
    tenant_slug: Slug
    name: str
    secret_hash: bytes = field(repr=False)
    scopes: frozenset[Scope]
    created_at: float
    project_pattern: str | None = None
    default_project: str | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
