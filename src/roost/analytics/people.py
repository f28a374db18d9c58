"""Who an event counts for: users, anonymous ids, and which of these belong to which user.

Rule 1: an anonymous id belongs to the first user that is seen with it; what it did before counts
for that user from then on, what others do with it later does not. Rule 2: whether somebody may be
counted is their newest word, under either id.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from roost.analytics.events import Consent, Event
from roost.analytics.rollups import inserting, move
from roost.storage.event_tables import erasures, events, identities

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of a person. `user` is whose anonymous id it is; `consent` their last word."""

    user: str | None = None
    consent: bool | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of everybody that a batch names."""

    identities: Mapping[str, Identity]
    erased_ms: Mapping[str, int]

    def identity(self, person: str | None) -> Identity:
        return self.identities.get(person or "", Identity())

    def person_of(self, event: Event) -> str:
        if event.user is not None:
            return user_person(event.user)
        anonymous = anonymous_person(event.anonymous_id or "")
        owner = self.identity(anonymous).user
        return anonymous if owner is None else user_person(owner)

    def owned(self, owners: Mapping[str, str]) -> "Known":
        """The same, once these anonymous persons belong to these users."""
        now = {
            anonymous: Identity(user, self.identity(anonymous).consent)
            for anonymous, user in owners.items()
        }
        return Known({**self.identities, **now}, self.erased_ms)

    def may_count(self, event: Event, *, asks_first: bool) -> bool:
        words = [self.identity(person).consent for person in persons_of(event)]
        words.append(self.identity(self.person_of(event)).consent)
        return False not in words and (True in words or not asks_first)

    def was_erased(self, event: Event) -> bool:
        """Whether it is from before its person was deleted."""
        persons = {*persons_of(event), self.person_of(event)}
        return any(event.time_ms <= self.erased_ms.get(person, -1) for person in persons)


def user_person(user: str) -> str:
    return f"u:{user}"


def anonymous_person(anonymous_id: str) -> str:
    return f"a:{anonymous_id}"


def persons_of(one: Event | Consent) -> list[str]:
    """The persons that it names: its user, its anonymous id, or both."""
    persons = [] if one.user is None else [user_person(one.user)]
    if one.anonymous_id is not None:
        persons.append(anonymous_person(one.anonymous_id))
    return persons


def hash_of(person: str) -> str:
    return hashlib.sha256(person.encode()).hexdigest()


async def known(connection: AsyncConnection, batch: Sequence[Event]) -> Known:
    """What the home knows of the persons that these events name."""
    persons = sorted({person for event in batch for person in persons_of(event)})
    found = await _identities(connection, persons)
    owners = {user_person(one.user) for one in found.values() if one.user is not None}
    found |= await _identities(connection, sorted(owners.difference(found)))
    return Known(found, await _erased(connection, sorted({*persons, *owners})))


async def _identities(connection: AsyncConnection, persons: list[str]) -> dict[str, Identity]:
    table = identities.c
    found = {}
    for start in range(0, len(persons), CHUNK):
        query = select(table.person, table.user_id, table.consent).where(
            table.person.in_(persons[start : start + CHUNK])
        )
        for person, user, consent in await connection.execute(query):
            found[person] = Identity(user, consent)
    return found


async def _erased(connection: AsyncConnection, persons: list[str]) -> dict[str, int]:
    names = {hash_of(person): person for person in persons}
    hashes = sorted(names)
    found = {}
    for start in range(0, len(hashes), CHUNK):
        query = select(erasures).where(erasures.c.person_hash.in_(hashes[start : start + CHUNK]))
        for row in await connection.execute(query):
            found[names[row.person_hash]] = row.erased_ms
    return found


async def note_consents(connection: AsyncConnection, said: Iterable[Consent]) -> None:
    """The newest word of each person counts, in whatever order the words come; of two of the same
    moment, the refusal."""
    newest: dict[str, tuple[int, bool]] = {}
    for consent in said:
        for person in persons_of(consent):
            word = (consent.time_ms, not consent.granted)
            newest[person] = max(newest.get(person, word), word)
    if not newest:
        return
    insert = inserting(connection)(identities)
    table, new = identities.c, insert.excluded
    is_newer = (
        table.consent_ms.is_(None)
        | (new.consent_ms > table.consent_ms)
        | ((new.consent_ms == table.consent_ms) & new.consent.is_(False))
    )
    upsert = insert.on_conflict_do_update(
        index_elements=["person"],
        set_={"consent": new.consent, "consent_ms": new.consent_ms},
        where=is_newer,
    )
    rows = [
        {"person": person, "consent": not refused, "consent_ms": at}
        for person, (at, refused) in newest.items()
    ]
    await connection.execute(upsert, rows)


async def note_seen(connection: AsyncConnection, taken: Iterable[Event]) -> None:
    """First and last time of each person that these events name."""
    seen: dict[str, tuple[int, int]] = {}
    for event in taken:
        for person in persons_of(event):
            first, last = seen.get(person, (event.time_ms, event.time_ms))
            seen[person] = min(first, event.time_ms), max(last, event.time_ms)
    if not seen:
        return
    insert = inserting(connection)(identities)
    table, new = identities.c, insert.excluded
    known_first = func.coalesce(table.first_seen_ms, new.first_seen_ms)
    known_last = func.coalesce(table.last_seen_ms, new.last_seen_ms)
    least, greatest = _extremes(connection)
    upsert = insert.on_conflict_do_update(
        index_elements=["person"],
        set_={
            "first_seen_ms": least(known_first, new.first_seen_ms),
            "last_seen_ms": greatest(known_last, new.last_seen_ms),
        },
    )
    rows = [
        {"person": person, "first_seen_ms": first_ms, "last_seen_ms": last_ms}
        for person, (first_ms, last_ms) in seen.items()
    ]
    await connection.execute(upsert, rows)


Extreme = Callable[[ColumnElement[int], ColumnElement[int]], ColumnElement[int]]


def _extremes(connection: AsyncConnection) -> tuple[Extreme, Extreme]:
    """The smaller and the larger of two values: SQLite calls them like the aggregates."""
    if connection.dialect.name == "postgresql":
        return func.least, func.greatest
    return func.min, func.max


async def merge(
    connection: AsyncConnection, taken: Iterable[Event], known_now: Known, now_ms: int
) -> Known:
    """Give each anonymous id to the first user that is seen with it, with all that it did; what is
    known then. `known_now` is from before these events were noted as seen."""
    owners: dict[str, str] = {}
    for event in taken:
        if event.user is not None and event.anonymous_id is not None:
            anonymous = anonymous_person(event.anonymous_id)
            if known_now.identity(anonymous).user is None:
                owners.setdefault(anonymous, event.user)
    if not owners:
        return known_now
    await _own(connection, owners, now_ms)
    for anonymous, user in owners.items():
        # Nobody knew it before these events: it has done nothing yet that could be moved.
        if anonymous in known_now.identities:
            await _give(connection, anonymous, user)
    return known_now.owned(owners)


async def _own(connection: AsyncConnection, owners: Mapping[str, str], now_ms: int) -> None:
    change = (
        update(identities)
        .where(identities.c.person == bindparam("of_person"))
        .values(user_id=bindparam("owner"), merged_ms=now_ms)
    )
    rows = [{"of_person": anonymous, "owner": user} for anonymous, user in owners.items()]
    await connection.execute(change, rows)


async def _give(connection: AsyncConnection, anonymous: str, user: str) -> None:
    person = user_person(user)
    theirs = (events.c.anonymous_id == anonymous[2:]) & events.c.user_id.is_(None)
    await connection.execute(update(events).where(theirs).values(person=person))
    await move(connection, anonymous, person)
