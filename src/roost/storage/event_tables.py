"""The tables of a home's own events, in its `app.db`.

Rule: no address of a network and no secret stands here. A *person* is `u:<user>` or
`a:<anonymous id>`, so that a user can never be taken for somebody's anonymous id. Times are
milliseconds since the epoch, days count from it, in UTC. Nothing here can be made again from
elsewhere but `daily_people` and, within retention, `daily_rollup`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "pk": "pk_%(table_name)s",
    }
)

ANY_NAME = ""
"""Stands for all events together in `daily_people` and `daily_rollup`; no event is called so."""

events = Table(
    "events",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("name", String(100), nullable=False),
    Column("user_id", String(200)),
    Column("anonymous_id", String(64)),
    Column("person", String(202), nullable=False),
    Column("properties", Text().with_variant(JSONB(), "postgresql"), nullable=False),
    Column("library", String(80), nullable=False),
    Index("ix_events_name_time", "name", "time_ms"),
    Index("ix_events_person_time", "person", "time_ms"),
    Index("ix_events_time", "time_ms"),
    Index(
        "ix_events_anonymous",
        "anonymous_id",
        sqlite_where=text("user_id IS NULL"),
        postgresql_where=text("user_id IS NULL"),
    ),
)
"""`person` is the user, else the user whom the anonymous id was found to be, else that id."""

identities = Table(
    "identities",
    metadata,
    Column("person", String(202), primary_key=True),
    Column("user_id", String(200), index=True),
    Column("merged_ms", BigInteger),
    Column("first_seen_ms", BigInteger),
    Column("last_seen_ms", BigInteger),
    Column("consent", Boolean),
    Column("consent_ms", BigInteger),
)
"""`user_id` is set on an anonymous person once a user was seen with it: the first one stays.
`consent` is the newest word, None where nobody said anything."""

daily_people = Table(
    "daily_people",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("name", String(100), primary_key=True),
    Column("person", String(202), primary_key=True, index=True),
    Column("count", BigInteger, nullable=False),
)
"""How many events of a name a person had on a day: what makes unique users exact."""

daily_rollup = Table(
    "daily_rollup",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("name", String(100), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("users", BigInteger, nullable=False),
)
"""Numbers without persons; they stay when retention takes the events."""

daily_withheld = Table(
    "daily_withheld",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
)
"""Events that were not stored for want of consent: how many, and nothing else of them."""

erasures = Table(
    "erasures",
    metadata,
    Column("person_hash", String(64), primary_key=True),
    Column("erased_ms", BigInteger, nullable=False),
)
"""Who was deleted, as a hash: what a client sends again from before then does not come back."""
