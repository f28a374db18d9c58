"""What has changed in a tenant, and what of it a topic's watchers see. Pure.

Rule: `seen` alone decides what a watcher is told. Whoever is not named in a change does not learn
that there was one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import Struct

from roost.model import TenantId


class Place(Struct, frozen=True):
    """How far somebody has followed a home. `position` never decreases within an epoch; what the
    cell changes behind the log shares the position that was last. `epoch` is another one (32 bytes
    at most) where the home's past is no longer the same: an index that was built anew."""

    epoch: str
    position: int


class Change(Struct, frozen=True):
    """The newest state of one trace. Rows are JSON: `row` is that of the list, None where the trace
    is gone; `own_row` holds what `user`, whose own trace it is, may see of it.

    `hidden_from` are users who may have seen it as theirs until now. While it happens that is at
    most one; in answer to `since` it is everybody else whose `user.id` one of its spans carries.
    A trace that moves to another project is two changes: gone from the one, new in the other.
    """

    trace_id: str
    project: str
    position: int
    row: bytes | None
    user: str | None = None
    own_row: bytes | None = None
    hidden_from: tuple[str, ...] = ()


class Missed(Struct, frozen=True):
    """What changed after some position up to `position`, each trace once."""

    position: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """What is watched: a project or (None) all; of all users, or (`user`) their own alone."""

    tenant_id: TenantId
    project: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Upsert:
    trace_id: str
    position: int
    row: bytes


@dataclass(frozen=True, slots=True)
class Remove:
    trace_id: str
    position: int


Delta = Upsert | Remove


def seen(change: Change, topic: Topic) -> Delta | None:
    """What the watchers of that topic are told, or None: nothing.

    >>> late = Change("t1", "default", 7, b"{}", user=None, hidden_from=("ann",))
    >>> acme = TenantId("acme")
    >>> seen(late, Topic(acme, user="ann")), seen(late, Topic(acme, user="bob"))
    (Remove(trace_id='t1', position=7), None)
    >>> seen(late, Topic(acme, "default")), seen(late, Topic(acme, "other"))
    (Upsert(trace_id='t1', position=7, row=b'{}'), None)
    """
    if topic.project not in (None, change.project):
        return None
    if topic.user is None:
        return _of(change, change.row)
    if change.row is not None and change.user == topic.user and change.own_row is not None:
        return _of(change, change.own_row)
    if topic.user in (change.user, *change.hidden_from):
        return Remove(change.trace_id, change.position)
    return None


def is_there(change: Change) -> bool:
    """To sort by: a trace that has moved is gone and new, in this order."""
    return change.row is not None


def topics_of(change: Change, tenant_id: TenantId) -> Iterator[Topic]:
    """Every topic that may be told of it, each once."""
    for user in dict.fromkeys((None, change.user, *change.hidden_from)):
        yield Topic(tenant_id, None, user)
        yield Topic(tenant_id, change.project, user)


def _of(change: Change, row: bytes | None) -> Delta:
    if row is None:
        return Remove(change.trace_id, change.position)
    return Upsert(change.trace_id, change.position, row)
