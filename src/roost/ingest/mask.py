"""What must not be stored is hidden before a batch reaches the log.

A rule is a line of the settings: `keys:<key>` (with `*` for any run of characters) hides values by
their key; `email`, `credit-card`, `ipv4`, `ipv6`, `aws-key`, `bearer-token` hide what they know
wherever it stands in a text; `re:<expression>` hides what an expression of RE2 matches.

Rule: every text and number of a span that a client can choose freely is judged: attributes of
resource, scope, span, event and link, whatever their nesting; names; trace states; the status. What
protobuf does not know is dropped, for nobody could judge it. Ids and times are left, and so is the
project: it is chosen before and stamped after.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from google.protobuf.message import Message
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from roost.errors import ConfigError
from roost.ingest.mask_keys import MAX_PATH_CHARS, KeyRules
from roost.ingest.mask_patterns import BUILT_IN, Pattern, own
from roost.ingest.mask_text import MASKED, TextRules

EXCEPTION_MESSAGE = "exception.message"
EXCEPTION_STACKTRACE = "exception.stacktrace"
STATUS_MESSAGE = "status.message"
"""What the status says goes by this key, and by `exception.message`, which SDKs copy there."""

_MIN_NUMBER = 10**12
"""Below it no number is anything that a pattern knows."""

_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Mask:
    """False where there is no rule."""

    keys: KeyRules
    patterns: Sequence[Pattern]

    def __bool__(self) -> bool:
        return bool(self.keys) or bool(self.patterns)

    def hide(self, group: ResourceSpans) -> None:
        """Changes `group`: nothing that a rule names is left in it."""
        if not self:
            return
        group.DiscardUnknownFields()
        hiding = _Hiding(self.keys, TextRules(self.keys, self.patterns))
        hiding.pairs("", group.resource.attributes)
        for scope in group.scope_spans:
            if scope.HasField("scope"):
                hiding.fields(scope.scope, "name", "version")
                hiding.pairs("", scope.scope.attributes)
            for span in scope.spans:
                hiding.span(span)


NO_MASK = Mask(KeyRules(()), ())


def parse_mask(rules: Iterable[str]) -> Mask:
    """ConfigError names every rule that is none.

    >>> bool(parse_mask(["email", "keys:llm.input_messages.*"])), bool(parse_mask([]))
    (True, False)
    """
    keys: list[str] = []
    patterns: list[Pattern] = []
    findings: list[str] = []
    for rule in rules:
        try:
            _read(rule.strip(), keys, patterns)
        except ValueError as error:
            findings.append(f"the masking rule {rule!r} is not understood: {error}")
    if findings:
        raise ConfigError(findings)
    return Mask(KeyRules(keys), tuple(patterns))


def _read(rule: str, keys: list[str], patterns: list[Pattern]) -> None:
    kind, colon, value = rule.partition(":")
    if colon and kind == "keys":
        keys.append(_key(value.strip()))
    elif colon and kind == "re":
        patterns.append(own(value))
    elif rule in BUILT_IN:
        patterns.append(BUILT_IN[rule])
    else:
        raise ValueError(
            f"it is neither `keys:<key>` nor `re:<expression>` nor one of {', '.join(BUILT_IN)}"
        )


def _key(glob: str) -> str:
    if not glob.strip(".*"):
        raise ValueError("name a key; `*` alone would hide everything")
    if len(glob) > MAX_PATH_CHARS:
        raise ValueError(f"it is longer than {MAX_PATH_CHARS} characters")
    return glob


@dataclass(frozen=True, slots=True)
class _Hiding:
    """For one group; `names` are the keys that were judged already."""

    keys: KeyRules
    texts: TextRules
    names: dict[str, str] = field(default_factory=dict)

    def span(self, span: Span) -> None:
        self.fields(span, "name", "trace_state")
        self.pairs("", span.attributes)
        for event in span.events:
            self.fields(event, "name")
            self.pairs("", event.attributes)
        for link in span.links:
            self.fields(link, "trace_state")
            self.pairs("", link.attributes)
        if span.status.message:
            span.status.message = self._status(span.status.message)

    def fields(self, message: Message, *names: str) -> None:
        for name in names:
            text: str = getattr(message, name)
            if text and (hidden := self.texts.hide_plain(text)) is not text:
                setattr(message, name, hidden)

    def pairs(self, prefix: str, pairs: Iterable[KeyValue]) -> None:
        for pair in pairs:
            key = pair.key
            self._value(prefix + key if self.keys else "", pair.value)
            if self.texts.patterns and (hidden := self._name(key)) != key:
                pair.key = hidden

    def _value(self, path: str, value: AnyValue) -> None:
        if self._is_hidden(path):
            value.string_value = MASKED
            return
        match value.WhichOneof("value"):
            case "string_value":
                text = value.string_value
                if (hidden := self.texts.hide(path, text)) is not text:
                    value.string_value = hidden
            case "array_value":
                for at, one in enumerate(value.array_value.values):
                    self._value(f"{path}.{at}" if self.keys else "", one)
            case "kvlist_value":
                self.pairs(f"{path}.", value.kvlist_value.values)
            case "int_value" | "double_value" | "bytes_value" as kind:
                self._other(kind, value)

    def _name(self, key: str) -> str:
        """Keys repeat from span to span."""
        hidden = self.names.get(key)
        if hidden is None:
            hidden = self.texts.hide_plain(key)
            if len(self.names) < _REMEMBERED:
                self.names[key] = hidden
        return hidden

    def _is_hidden(self, path: str) -> bool:
        """A stack trace ends with the exception's message, so it shares its fate."""
        return self.keys.hides(path) or (
            path == EXCEPTION_STACKTRACE and self.keys.hides(EXCEPTION_MESSAGE)
        )

    def _status(self, message: str) -> str:
        if self.keys.hides(STATUS_MESSAGE) or self.keys.hides(EXCEPTION_MESSAGE):
            return MASKED
        return self.texts.hide(STATUS_MESSAGE, message)

    def _other(self, kind: str, value: AnyValue) -> None:
        """Whole numbers are read as their digits; bytes as the text that they may be."""
        if kind == "bytes_value":
            text = value.bytes_value.decode("utf-8", "surrogateescape")
            if (hidden := self.texts.hide_plain(text)) is not text:
                value.bytes_value = hidden.encode("utf-8", "surrogateescape")
            return
        number = value.int_value if kind == "int_value" else value.double_value
        if abs(number) >= _MIN_NUMBER and number == number // 1:
            digits = str(int(number))
            if (hidden := self.texts.hide_plain(digits)) is not digits:
                value.string_value = hidden
