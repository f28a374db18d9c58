"""A home's own database: what cannot be rebuilt from the log. Times are seconds since the epoch.

Rule: a table here belongs to one tenant by where it lies, so none names a tenant.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from roost.storage.tables import NAMING

metadata = MetaData(naming_convention=NAMING)

facts = Table(
    "facts",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about this home: its epoch, which changes when it is made anew."""

progress = Table(
    "progress",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cursor", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("deleted", Integer, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
"""How far `forward` is: every record up to `cursor` is settled, each span of it confirmed in the
cell, parked, skipped by the policy, or deleted. Counts of spans."""

parked = Table(
    "parked",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("trace_id", LargeBinary, nullable=False),
    Column("span_id", LargeBinary, nullable=False),
    Column("project", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("parked_at", Float, nullable=False),
    UniqueConstraint("position", "ordinal"),
    sqlite_autoincrement=True,
)
"""Spans that the cell does not take, each with its place in the log and the reason."""

tombstones = Table(
    "tombstones",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("position", Integer, nullable=False),
)
"""Ids of traces (16 bytes) and spans (8 bytes) that were deleted: later copies do not come back."""

erasing = Table(
    "erasing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("since", Float, nullable=False),
    sqlite_autoincrement=True,
)
"""Deletions that somebody has begun and Phoenix has not answered: what they name is held back."""

emptied = Table(
    "emptied",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("project", Text, nullable=False),
    Column("before", Float),
)
"""Projects that were deleted or cleared: what stands in the log before `position` is gone."""

waiting = Table(
    "waiting",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("since", Float, nullable=False),
    sqlite_autoincrement=True,
)
"""Annotations whose target the cell does not hold yet; `body` is one, as in the log."""

marks = Table(
    "marks",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
"""How far upkeep has come, and what it compares with: the cell's database, the forward policies."""
