"""What Phoenix's GraphQL answers about its users, parsed where it enters.

Rule: an answer of another shape than these is no answer.
"""

from dataclasses import dataclass
from typing import TypeVar

import msgspec

from roost.errors import Unavailable

REFUSES = "Phoenix of this tenant refuses Roost. See `roost doctor`."
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CellAccount:
    """A user's row in the cell; `id` is Phoenix's Relay id."""

    id: str
    username: str
    email: str
    role: str


@dataclass(frozen=True, slots=True)
class RoleNode:
    name: str


@dataclass(frozen=True, slots=True)
class UserNode:
    id: str
    username: str
    email: str | None
    role: RoleNode

    def account(self) -> CellAccount:
        return CellAccount(self.id, self.username, self.email or "", self.role.name)


@dataclass(frozen=True, slots=True)
class UserEdge:
    node: UserNode


@dataclass(frozen=True, slots=True)
class PageInfo:
    hasNextPage: bool  # noqa: N815 - as GraphQL spells it
    endCursor: str | None  # noqa: N815


@dataclass(frozen=True, slots=True)
class UserPage:
    edges: list[UserEdge]
    pageInfo: PageInfo  # noqa: N815


@dataclass(frozen=True, slots=True)
class Users:
    users: UserPage


@dataclass(frozen=True, slots=True)
class UserIds:
    userIds: list[str]  # noqa: N815


@dataclass(frozen=True, slots=True)
class Deleted:
    deleteUsers: UserIds  # noqa: N815


def data_of(status: int, body: bytes, shape: type[T]) -> T:
    """The `data` of a GraphQL answer; errors arrive as 200 too, with `data` null."""
    if status != 200:
        raise Unavailable(REFUSES, reason=f"the admin secret was answered with {status}")
    try:
        answer = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        return msgspec.json.decode(answer["data"], type=shape)
    except (msgspec.MsgspecError, KeyError):
        raise Unavailable(REFUSES, reason=f"GraphQL answered {body[:300]!r}") from None
