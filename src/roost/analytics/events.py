"""A batch of the host's own events, from bytes to values that can be stored. Pure.

Rule 1: what is wrong with one event is never the loss of another; each is answered with its reason.
Rule 2: a field that no struct names is refused by name. Rule 3: who may speak for others is the
caller's to say: with `own_user` every event is that user's, whatever the body says.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from roost.errors import BadRequest

One = TypeVar("One", bound=Struct)

NAME = re.compile(r"[A-Za-z0-9_$](?:[A-Za-z0-9_.:$/ -]{0,98}[A-Za-z0-9_.:$/-])?")
EVENT_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
ANONYMOUS_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
PROPERTY_NAME_CHARS_MAX = 64
USER_CHARS_MAX = 200
LIBRARY_CHARS_MAX = 80
CLOCK_SLACK_MS = 60_000
"""A sender's clock may differ by so much before its times are put right by `sent_at`."""
SECONDS_MAX = 100_000_000_000
"""Larger numbers are milliseconds: as seconds they would lie beyond the year 5000."""


@dataclass(frozen=True, slots=True)
class EventLimits:
    """Of one batch and of each event in it. `depth` counts the properties' own object as 1."""

    events: int = 1000
    properties: int = 64
    depth: int = 4
    property_bytes: int = 16 * 1024


class Event(Struct, frozen=True):
    """An event as it is stored. `properties` is a JSON object; one of the two ids is there."""

    id: str
    time_ms: int
    name: str
    user: str | None
    anonymous_id: str | None
    properties: str
    library: str


class Consent(Struct, frozen=True):
    """What somebody said about being counted, and when. One of the two ids is there."""

    user: str | None
    anonymous_id: str | None
    granted: bool
    time_ms: int


class Rejected(Struct, frozen=True):
    """An event that was not taken. `index` is its place in what was sent."""

    index: int
    id: str
    reason: str


class Batch(Struct, frozen=True):
    """What passed; `indices` are the places of `events` in what was sent."""

    events: tuple[Event, ...]
    indices: tuple[int, ...]
    consents: tuple[Consent, ...]
    rejected: tuple[Rejected, ...]


class _Wire(Struct, frozen=True, forbid_unknown_fields=True):
    events: list[Raw] = []
    consents: list[Raw] = []
    sent_at: float | str | None = None
    library: str = ""


class WireEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """As it is sent. `time` is RFC 3339 or seconds since the epoch, now where it is left out."""

    id: str
    name: str
    time: float | str | None = None
    user: str | None = None
    anonymous_id: str | None = None
    properties: Raw = Raw(b"{}")


class _WireConsent(Struct, frozen=True, forbid_unknown_fields=True):
    granted: bool
    time: float | str | None = None
    user: str | None = None
    anonymous_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends, and when it came. `own_user` None may speak for anybody; `skew_ms` is added to
    each time."""

    received_ms: int
    own_user: str | None = None
    library: str = ""
    skew_ms: int = 0


class Fault(ValueError):
    """Why one event is not taken; safe to show."""


def parse(body: bytes, limits: EventLimits, received_ms: int, own_user: str | None) -> Batch:
    """The batch in `body`. BadRequest where the whole cannot be read, is empty or holds too many
    events, or where nothing in it can be used."""
    wire = _decode(body)
    if not wire.events and not wire.consents:
        raise BadRequest("The batch is empty: send at least one event.")
    if len(wire.events) + len(wire.consents) > limits.events:
        raise BadRequest(f"The batch holds more than {limits.events} events; send fewer at a time.")
    sender = Sender(
        received_ms, own_user, wire.library[:LIBRARY_CHARS_MAX], _skew_ms(wire.sent_at, received_ms)
    )
    batch = _judge(wire, limits, sender)
    if not batch.events and not batch.consents:
        first = batch.rejected[0]
        raise BadRequest(f"No event was taken; number {first.index}: {first.reason}")
    return batch


def check(wire: WireEvent, limits: EventLimits, sender: Sender) -> Event:
    """The event, or Fault."""
    if not EVENT_ID.fullmatch(wire.id):
        raise Fault("id must be 16 to 64 of letters, digits, '-' and '_', made once an event")
    if not NAME.fullmatch(wire.name):
        raise Fault(
            "name must be 1 to 100 of letters, digits, blanks and '_.:$/-', with no blank at an end"
        )
    user, anonymous_id = _who(wire.user, wire.anonymous_id, sender)
    return Event(
        id=wire.id,
        time_ms=_moment(wire.time, sender),
        name=wire.name,
        user=user,
        anonymous_id=anonymous_id,
        properties=_properties(wire.properties, limits),
        library=sender.library,
    )


def _decode(body: bytes) -> _Wire:
    try:
        return msgspec.json.decode(body, type=_Wire)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f'The body is not a batch of events, {{"events": […]}}: {error}') from None


def _judge(wire: _Wire, limits: EventLimits, sender: Sender) -> Batch:
    events: list[Event] = []
    indices: list[int] = []
    consents: list[Consent] = []
    rejected: list[Rejected] = []
    for index, raw in enumerate(wire.events):
        try:
            events.append(check(_read(raw, WireEvent), limits, sender))
            indices.append(index)
        except Fault as fault:
            rejected.append(Rejected(index, _id_of(raw), str(fault)))
    for index, raw in enumerate(wire.consents):
        try:
            consents.append(_consent(_read(raw, _WireConsent), sender))
        except Fault as fault:
            rejected.append(Rejected(index, "", f"consent: {fault}"))
    return Batch(tuple(events), tuple(indices), tuple(consents), tuple(rejected))


def _read(raw: Raw, kind: type[One]) -> One:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(str(error)) from None


def _id_of(raw: Raw) -> str:
    """The id of an event that is not in order, for its sender to know it again."""
    try:
        found = msgspec.json.decode(raw, type=dict[str, Raw]).get("id")
        return "" if found is None else msgspec.json.decode(found, type=str)[:64]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _consent(wire: _WireConsent, sender: Sender) -> Consent:
    user, anonymous_id = _who(wire.user, wire.anonymous_id, sender)
    return Consent(user, anonymous_id, wire.granted, _moment(wire.time, sender))


def _who(
    user: str | None, anonymous_id: str | None, sender: Sender
) -> tuple[str | None, str | None]:
    if sender.own_user is not None:
        if user not in (None, sender.own_user):
            raise Fault("user is somebody else; leave it out, or send with an ingest key")
        user = sender.own_user
    if user is not None and not (0 < len(user) <= USER_CHARS_MAX and user.isprintable()):
        raise Fault(f"user must be 1 to {USER_CHARS_MAX} printable characters")
    if anonymous_id is not None and not ANONYMOUS_ID.fullmatch(anonymous_id):
        raise Fault("anonymous_id must be 8 to 64 of letters, digits, '-' and '_'")
    if user is None and anonymous_id is None:
        raise Fault("say whose it is: user or anonymous_id")
    return user, anonymous_id


def _properties(raw: Raw, limits: EventLimits) -> str:
    """As compact JSON: what was judged is what is stored."""
    try:
        held = msgspec.json.decode(raw, type=dict[str, object])
        encoded = msgspec.json.encode(held)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(f"properties must be a JSON object: {error}") from None
    if len(held) > limits.properties:
        raise Fault(f"properties are more than {limits.properties}")
    if len(encoded) > limits.property_bytes:
        raise Fault(f"properties take more than {limits.property_bytes} bytes")
    bad = [name for name in held if not is_property_name(name)]
    if bad:
        raise Fault(
            f"property {bad[0][:PROPERTY_NAME_CHARS_MAX]!r} is no name: {PROPERTY_NAME_RULE}"
        )
    if _depth(held) > limits.depth:
        raise Fault(f"properties are nested deeper than {limits.depth}")
    if b"\\u0000" in encoded:
        raise Fault("properties hold the character U+0000")
    return encoded.decode()


PROPERTY_NAME_RULE = (
    f"1 to {PROPERTY_NAME_CHARS_MAX} printable characters without quotation mark and backslash"
)


def is_property_name(text: str) -> bool:
    """
    >>> is_property_name("plan"), is_property_name('a"b'), is_property_name("")
    (True, False, False)
    """
    fits = 0 < len(text) <= PROPERTY_NAME_CHARS_MAX and text.isprintable()
    return fits and '"' not in text and "\\" not in text


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def _moment(time: float | str | None, sender: Sender) -> int:
    if time is None:
        return sender.received_ms
    return to_ms(time) + sender.skew_ms


def to_ms(time: float | str) -> int:
    """Milliseconds since the epoch; a text without a zone is UTC. Fault where it is no time.

    >>> to_ms(1.5), to_ms("1970-01-01T00:00:02Z"), to_ms("1970-01-01T01:00:03+01:00")
    (1500, 2000, 3000)
    """
    if isinstance(time, str):
        try:
            moment = datetime.fromisoformat(time)
        except ValueError:
            raise Fault(f"time {time[:40]!r} is not RFC 3339, like 2026-01-31T12:00:00Z") from None
        time = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(time) or time < 0:
        raise Fault("time lies before 1970")
    if time >= SECONDS_MAX:
        raise Fault("time looks like milliseconds; send seconds, or RFC 3339")
    return round(time * 1000)


def _skew_ms(sent_at: float | str | None, received_ms: int) -> int:
    """How far the sender's clock is behind; 0 within the slack, which is the way's own time."""
    if sent_at is None:
        return 0
    try:
        skew_ms = received_ms - to_ms(sent_at)
    except Fault as fault:
        raise BadRequest(f"sent_at: {fault}.") from None
    return skew_ms if abs(skew_ms) > CLOCK_SLACK_MS else 0
