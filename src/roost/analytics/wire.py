"""How events are written, and how they are held until then.

Rule: what the caller can still change is written at once; what cannot change is copied, which
takes a tenth of the time, and written by the thread that sends.
"""

import json
import time
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from roost.analytics.event_id import new_event_id
from roost.analytics.outbox import Waiting

UNWRITABLE = (TypeError, ValueError, RecursionError)
"""What writing raises for values that JSON does not know."""
_FIELDS_SIZE = 200
_VALUE_SIZE = 24
_UNCHANGING = frozenset({int, float, bool, type(None)})


class Written(NamedTuple):
    """A batch, with the ids that it keeps however often it is sent; `invalid` could not be
    written."""

    events: tuple[str, ...]
    consents: tuple[str, ...]
    invalid: int


def hold(fields: Mapping[str, object], properties: Mapping[str, object]) -> Waiting:
    """An event as it is now. UNWRITABLE where its properties cannot be written."""
    size = _FIELDS_SIZE
    for key, value in properties.items():
        kind = type(value)
        if kind is str:
            size += len(key) + len(value)  # type: ignore[arg-type]  # it is a str, exactly
        elif kind in _UNCHANGING:
            size += len(key) + _VALUE_SIZE
        else:
            text = encode(dict(properties))
            return Waiting(fields, text, _FIELDS_SIZE + len(text))
    return Waiting(fields, dict(properties), size)


def write(batch: Iterable[Waiting]) -> Written:
    """Each as JSON, with its id."""
    events: list[str] = []
    consents: list[str] = []
    invalid = 0
    for one in batch:
        try:
            if one.properties is None:
                consents.append(encode(one.fields))
            else:
                events.append(_event(one.fields, one.properties))
        except UNWRITABLE:
            invalid += 1
    return Written(tuple(events), tuple(consents), invalid)


def _event(fields: Mapping[str, object], properties: Mapping[str, object] | str) -> str:
    text = properties if isinstance(properties, str) else encode(properties)
    event_id = new_event_id(time.time_ns() // 1_000_000)
    return f'{{"id":"{event_id}","properties":{text},{encode(fields)[1:]}'


def body_of(batch: Written, library: str, sent_at: float) -> bytes:
    """The request; `sent_at` is when it is sent this time, for clocks that are wrong."""
    events, consents = ",".join(batch.events), ",".join(batch.consents)
    return (
        f'{{"sent_at":{sent_at:.3f},"library":{encode(library)},'
        f'"events":[{events}],"consents":[{consents}]}}'
    ).encode(errors="replace")


def _plain(value: object) -> object:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
).encode
