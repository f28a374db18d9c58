"""How the values of query parameters are written: read strictly, described as JSON Schema.

Rule: each kind says what it takes, in its schema and in its refusal; what a kind reads is of the
type that questions hold.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Generic, TypeVar

MAX_CHARS = 1_000
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?")
_LATEST_S = 253_402_300_799

T_co = TypeVar("T_co", covariant=True)
Choice = TypeVar("Choice", bound=StrEnum)


class Fault(ValueError):
    """The text is not of that kind; the message goes on after the parameter's name."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """`read` raises Fault."""

    schema: Mapping[str, object]
    read: Callable[[str], T_co]


def text(max_chars: int = MAX_CHARS) -> Kind[str]:
    def read(value: str) -> str:
        if len(value) > max_chars:
            raise Fault(f"takes at most {max_chars} characters")
        return value

    return Kind({"type": "string", "maxLength": max_chars}, read)


def whole(least: int, most: int) -> Kind[int]:
    """
    >>> whole(1, 500).read("50")
    50
    """

    def read(value: str) -> int:
        if not _WHOLE.fullmatch(value) or not least <= int(value) <= most:
            raise Fault(f"is a whole number from {least} to {most}")
        return int(value)

    return Kind({"type": "integer", "minimum": least, "maximum": most}, read)


def number() -> Kind[float]:
    def read(value: str) -> float:
        if not _NUMBER.fullmatch(value):
            raise Fault("is a number like 0.25")
        return float(value)

    return Kind({"type": "number"}, read)


def flag() -> Kind[bool]:
    def read(value: str) -> bool:
        if value not in ("true", "false"):
            raise Fault("is true or false")
        return value == "true"

    return Kind({"type": "boolean"}, read)


def choice(of: type[Choice]) -> Kind[Choice]:
    def read(value: str) -> Choice:
        try:
            return of(value)
        except ValueError:
            raise Fault(f"is one of {', '.join(of)}") from None

    return Kind({"type": "string", "enum": [str(one) for one in of]}, read)


def choices(of: type[Choice]) -> Kind[tuple[Choice, ...]]:
    """Several, with commas between them."""
    one = choice(of)

    def read(value: str) -> tuple[Choice, ...]:
        return tuple(dict.fromkeys(one.read(part) for part in value.split(",")))

    return Kind({"type": "array", "items": one.schema, "minItems": 1}, read)


def time_us() -> Kind[int]:
    """Microseconds since the epoch.

    >>> [time_us().read(one) for one in ("1790000000", "2026-09-21T14:13:20Z")]
    [1790000000000000, 1790000000000000]
    """
    schema = {
        "anyOf": [
            {"type": "string", "format": "date-time"},
            {"type": "string", "format": "date"},
            {"type": "number", "minimum": 0},
        ]
    }
    return Kind(schema, _time_us)


def _time_us(value: str) -> int:
    seconds = float(value) if _NUMBER.fullmatch(value) else _iso(value)
    if not 0 <= seconds <= _LATEST_S:
        raise Fault("lies between 1970 and 9999")
    return round(seconds * 1_000_000)


def _iso(value: str) -> float:
    """A date alone is its first moment, and a time without an offset is of UTC. Whoever writes
    `+02:00` in a query string has written a space."""
    written = value.replace(" ", "+") if "T" in value else value
    try:
        moment = datetime.fromisoformat(written)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise Fault(
            "is a time in ISO 8601 (2026-11-23T10:00:00Z) or in seconds since the epoch"
        ) from None
