"""Where a page ends, as a text that the caller hands back.

Rule: a cursor continues the query that gave it and no other: it carries a digest of viewer, filter
and sort. It opens nothing: the page behind it is asked with the caller's own viewer again.
"""

import base64
import binascii
import hashlib
from typing import Annotated, NamedTuple

import msgspec

from roost.errors import BadRequest

_FOREIGN = "The cursor belongs to another query. Ask without one, and use the `next` of its answer."
_DIGEST_CHARS = 16


class Edge(NamedTuple):
    """The last row of a page: what it is sorted by, and its own number."""

    value: int | str
    id: int


_Int64 = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]


class _Token(msgspec.Struct, array_like=True):
    digest: str
    value: _Int64 | str
    id: _Int64


_tokens = msgspec.json.Decoder(_Token)


def digest_of(*asked: object) -> str:
    """Of frozen dataclasses, whose repr says all they hold."""
    return hashlib.blake2b(repr(asked).encode(), digest_size=_DIGEST_CHARS // 2).hexdigest()


def written(edge: Edge, digest: str) -> str:
    token = msgspec.json.encode(_Token(digest, edge.value, edge.id))
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def read(cursor: str | None, digest: str) -> Edge | None:
    """BadRequest where it is not of that query."""
    if cursor is None:
        return None
    try:
        token = _tokens.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise BadRequest(_FOREIGN) from None
    if token.digest != digest:
        raise BadRequest(_FOREIGN)
    return Edge(token.value, token.id)
