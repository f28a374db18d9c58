"""The control database's tables. Times are seconds since the epoch; a credential is never stored,
only its hash."""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

installation = Table(
    "installation",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about this installation: the base path that is baked into each cell, on or off."""

tenants = Table(
    "tenants",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("slug", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("deleting_at", Float),
    # A tenant that is being deleted no longer owns its slug.
    Index(
        "uq_tenants_slug_live",
        "slug",
        unique=True,
        sqlite_where=text("deleting_at IS NULL"),
        postgresql_where=text("deleting_at IS NULL"),
    ),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("project_pattern", Text),
    Column("default_project", Text),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("last_used_at", Float),
)

links = Table(
    "links",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("expires_at", Float, nullable=False),
)
"""One-time sign-in links that nobody has used; a used one is gone."""

sessions = Table(
    "sessions",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("expires_at", Float, nullable=False),
)
"""Browser sessions that began with a one-time link."""

revoked_proofs = Table(
    "revoked_proofs",
    metadata,
    Column("proof_id", String(120), primary_key=True),
    Column("until", Float, nullable=False),
)
"""Host sessions that were signed out before they expired."""

sightings = Table(
    "sightings",
    metadata,
    Column("email", String(320), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("seen_at", Float, nullable=False),
)
"""Which subjects came with which e-mail: a host whose subjects change is told so by `doctor`."""

attached_cells = Table(
    "attached_cells",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("url", Text, nullable=False, unique=True),
    Column("attached_at", Float, nullable=False),
)
"""Phoenixes that someone else runs, one a tenant."""
