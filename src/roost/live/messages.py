"""What the keeper's feed of a tenant says to a gateway, as msgpack.

Rule: a feed is one tenant's. Whoever reads it is the owner's own gateway; what people may see of it
is decided there, topic by topic.
"""

import msgspec
from msgspec import Struct

from roost.live.changes import Change, Place


class Opened(Struct, frozen=True, tag="opened"):
    """The first line. All that changes behind `place` follows. `key` is what the tenant's tokens
    are sealed with."""

    place: Place
    key: bytes


class Batch(Struct, frozen=True, tag="batch"):
    """All that changed up to `position`."""

    position: int
    changes: tuple[Change, ...]


class Beat(Struct, frozen=True, tag="beat"):
    """Nothing, up to `position`."""

    position: int


Line = Opened | Batch | Beat


class Follow(Struct, frozen=True):
    """Ask for a feed from now on."""

    tenant_id: str


class Since(Struct, frozen=True):
    """Ask what changed for a topic since a place; more than `limit` traces is too much."""

    tenant_id: str
    after: Place
    limit: int
    project: str | None = None
    user: str | None = None


encode = msgspec.msgpack.Encoder().encode
decode_line = msgspec.msgpack.Decoder(Line).decode
