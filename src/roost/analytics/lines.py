"""Old log lines, read as events. Pure.

Rule: a line's id follows from the file's first line, its own number and its own text, so that the
same file, however often it is read and however much it has grown, adds each line once.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from roost.analytics.events import (
    SECONDS_MAX,
    Event,
    EventLimits,
    Fault,
    Sender,
    WireEvent,
    check,
)
from roost.errors import BadRequest

FIELDS = ("name", "user", "anonymous_id", "time", "properties")
LIBRARY = "roost-import"


@dataclass(frozen=True, slots=True)
class Fields:
    """Where a line keeps what: paths with dots, `ctx.user.id`. Without `properties` all that no
    other path takes at the top is one."""

    paths: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "Fields":
        """
        >>> Fields.parse("name=event,user=ctx.userId").paths["user"]
        'ctx.userId'
        """
        paths = {name: name for name in FIELDS if name != "properties"}
        for pair in filter(None, text.split(",")):
            name, equals, path = pair.strip().partition("=")
            if not equals or not path or name not in FIELDS:
                raise BadRequest(
                    f"{pair!r} maps nothing: write name=event,user=userId,time=ts with some of"
                    f" {', '.join(FIELDS)}."
                )
            paths[name] = path
        return cls(paths)

    def properties(self, line: Mapping[str, object]) -> object:
        if path := self.paths.get("properties"):
            found = _at(line, path)
            return {} if found is None else found
        taken = {path.partition(".")[0] for path in self.paths.values()}
        return {name: value for name, value in line.items() if name not in taken}


@dataclass(frozen=True, slots=True)
class LogFile:
    """`fingerprint` is its first line's; events of nobody belong to the file itself."""

    fingerprint: str
    mapping: Fields
    limits: EventLimits = field(default_factory=EventLimits)

    def read(self, number: int, line: bytes) -> Event:
        """The event that the line with that number (from 1) is; Fault where it is none."""
        fields = _object(line)
        user = _text(_at(fields, self.mapping.paths["user"]))
        anonymous_id = _text(_at(fields, self.mapping.paths["anonymous_id"]))
        if user is None and anonymous_id is None:
            anonymous_id = f"import-{self.fingerprint[:32]}"
        wire = WireEvent(
            id=self.event_id(number, line),
            name=_name(_at(fields, self.mapping.paths["name"]), self.mapping.paths["name"]),
            time=_time(_at(fields, self.mapping.paths["time"]), self.mapping.paths["time"]),
            user=user,
            anonymous_id=anonymous_id,
            properties=msgspec.Raw(msgspec.json.encode(self.mapping.properties(fields))),
        )
        return check(wire, self.limits, Sender(received_ms=0, library=LIBRARY))

    def event_id(self, number: int, line: bytes) -> str:
        text = b"%s\n%d\n%s" % (self.fingerprint.encode(), number, line)
        return f"import-{hashlib.sha256(text).hexdigest()[:40]}"


def fingerprint_of(first_line: bytes) -> str:
    return hashlib.sha256(first_line).hexdigest()


def _object(line: bytes) -> dict[str, object]:
    try:
        return msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(f"not a JSON object: {error}") from None


def _at(line: Mapping[str, object], path: str) -> object:
    """What stands there, None where nothing does; a name with dots in it counts as it is, too."""
    if path in line:
        return line[path]
    found: object = line
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _text(value: object) -> str | None:
    """Ids are often numbers in old lines."""
    if value is None or value == "":
        return None
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise Fault("the user is neither text nor a whole number")


def _name(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise Fault(f"no name at {path!r}; say where it is with --map name=…")
    return value


def _time(value: object, path: str) -> float | str:
    """Milliseconds and the comma of Python's logging are taken too."""
    if isinstance(value, str) and value:
        return value.replace(",", ".")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Fault(f"no time at {path!r}; say where it is with --map time=…")
    return value / 1000 if value >= SECONDS_MAX else value
