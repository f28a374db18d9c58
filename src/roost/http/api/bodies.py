"""A span as the log or the cell holds it, as the API shows it. Pure.

Rule 1: attributes are nested as OpenInference names them, and nothing is lost by it: what does not
nest stays under its whole name. Rule 2: an answer is bounded: large values are cut, each by itself,
and all of them where they are many.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from roost.http.api import shapes
from roost.http.api.fields import hides, needed
from roost.http.api.nesting import nested
from roost.http.api_messages import Field, Sight, Whole
from roost.index.facts import KINDS, facts_of
from roost.index.filters import STATUSES
from roost.log.records import LoggedSpan

CUT_CHARS = 16_384
HEAD_CHARS = 512
BODY_CHARS = 1_000_000
"""Once an answer holds so much, every value beyond HEAD_CHARS is cut."""

_EXCEPTION = "exception"
_METADATA = frozenset({Field.METADATA})
_JSON_TEXTS = (
    "document.metadata", "llm.prompt_template.variables", "metadata", "tool.parameters",
)  # fmt: skip
"""Objects that OpenInference writes as JSON in a string."""


@dataclass(frozen=True, slots=True)
class Held:
    """A span where it is held; the cell tells neither its resource nor its scope."""

    span: Span
    project: str
    resource: Mapping[str, object]
    scope: shapes.Scope | None
    source: shapes.Source

    @property
    def span_id(self) -> str:
        return self.span.span_id.hex()


@dataclass(slots=True)
class Knife:
    """Cuts the values of one answer; `whole` cuts none."""

    span_id: str
    whole: bool = False
    _left: int = BODY_CHARS

    def cut(self, path: str, value: object) -> object:
        text = value if isinstance(value, str) else None
        if isinstance(value, list | dict):
            text = as_text(value)
        if text is None or self.whole:
            return value
        self._left -= len(text)
        if len(text) <= (CUT_CHARS if self._left > 0 else HEAD_CHARS):
            return value
        href = f"{self.span_id}/values?{urlencode({'path': path})}"
        return shapes.Cut(len(text.encode()), text[:HEAD_CHARS], href)


@dataclass(slots=True)
class Body:
    """One span for one caller: its values by path, and what is withheld."""

    held: Held
    sight: Sight
    hidden: set[Field] = field(default_factory=set)
    _found: dict[str, object] = field(init=False)

    def __post_init__(self) -> None:
        self._found = plain(self.held.span.attributes)

    @property
    def kind(self) -> str:
        """As the index has it."""
        held = self.held
        return KINDS[facts_of(LoggedSpan(0, held.project, (), "", held.span)).kind]

    def values(self) -> Iterator[tuple[str, object]]:
        """What may be seen, by path: what `SpanValue` gives a part of."""
        for key, value in self.attributes().items():
            yield f"attributes.{key}", value
        if self._is_open():
            yield "status_message", self.held.span.status.message
            for key, value in self.held.resource.items():
                yield f"resource.{key}", value
            for at, event in enumerate(self.held.span.events):
                for key, value in plain(event.attributes).items():
                    yield f"events.{at}.{key}", value

    def attributes(self) -> dict[str, object]:
        """Flat, as far as they may be seen."""
        if isinstance(self.sight, Whole):
            return self._found
        is_root, kind = not self.held.span.parent_span_id, self.kind
        shown: dict[str, object] = {}
        for key, value in self._found.items():
            withheld = hides(self.sight, needed(key, self._found, kind, is_root=is_root))
            self.hidden |= withheld
            if not withheld:
                shown[key] = value
        return shown

    def shown(self, *, whole: bool = False) -> shapes.Span:
        span, knife = self.held.span, Knife(self.held.span_id, whole)
        flat = self.attributes()
        is_open = self._is_open()
        return shapes.Span(
            trace_id=span.trace_id.hex(),
            span_id=self.held.span_id,
            parent_id=span.parent_span_id.hex() or None,
            project=self.held.project,
            name=span.name,
            kind=self.kind,
            status=str(STATUSES[span.status.code if 0 <= span.status.code <= 2 else 0]),
            status_message=knife.cut("status_message", span.status.message) if is_open else "",
            start_us=micros(span.start_time_unix_nano),
            end_us=micros(span.end_time_unix_nano),
            attributes=_tree(flat, "attributes", knife),
            events=list(_events(span, knife)) if is_open else [],
            links=[_link(one) for one in span.links] if is_open else [],
            exceptions=list(_failures(span, knife)) if is_open else [],
            resource=_tree(self.held.resource, "resource", knife) if is_open else {},
            scope=self.held.scope if is_open else None,
            hidden=sorted(self.hidden),
            source=self.held.source,
        )

    def _is_open(self) -> bool:
        withheld = hides(self.sight, _METADATA)
        self.hidden |= withheld
        return not withheld


def plain(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """By key; the first of a key counts, as it does in the index's own reading of projects."""
    found: dict[str, object] = {}
    for pair in pairs:
        found.setdefault(pair.key, _value(pair.value))
    return found


def micros(nanos: int) -> int:
    """As the index rounds it."""
    return (nanos + 500) // 1000


def as_text(value: object) -> str:
    """What a part of it is a part of: the text itself, else JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _value(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(one) for one in value.array_value.values]
        case "kvlist_value":
            return plain(value.kvlist_value.values)
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case kind:
            found: object = getattr(value, kind)
            return found


def _tree(flat: Mapping[str, object], section: str, knife: Knife) -> dict[str, object]:
    return nested(
        {key: knife.cut(f"{section}.{key}", _read(key, value)) for key, value in flat.items()}
    )


def _read(key: str, value: object) -> object:
    """An object, where OpenInference writes one as text and it is not long."""
    if not isinstance(value, str) or len(value) > CUT_CHARS or not key.endswith(_JSON_TEXTS):
        return value
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value
    return found if isinstance(found, dict) else value


def _events(span: Span, knife: Knife) -> Iterator[shapes.Event]:
    for at, event in enumerate(span.events):
        attributes = _tree(plain(event.attributes), f"events.{at}", knife)
        yield shapes.Event(event.name, micros(event.time_unix_nano), attributes)


def _failures(span: Span, knife: Knife) -> Iterator[shapes.Failure]:
    for at, event in enumerate(span.events):
        if event.name != _EXCEPTION:
            continue
        found = plain(event.attributes)
        message, trace = (
            knife.cut(f"events.{at}.{key}", found.get(key) or "")
            for key in ("exception.message", "exception.stacktrace")
        )
        kind = str(found.get("exception.type") or "")
        yield shapes.Failure(kind, message, trace, micros(event.time_unix_nano))


def _link(link: Span.Link) -> shapes.Link:
    return shapes.Link(link.trace_id.hex(), link.span_id.hex(), nested(plain(link.attributes)))
