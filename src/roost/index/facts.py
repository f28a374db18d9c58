"""What the index keeps of a span.

Rule 1: kind, status, tokens and session are read as Phoenix 20.26 reads them, so that both show the
same trace. Rule 2: no span is refused: what makes no sense counts as missing.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from roost.index import genai
from roost.index.prices import Call
from roost.log.records import LoggedSpan

PREVIEW_CHARS = 200
MAX_TEXT_CHARS = 16_384
MAX_NAME_CHARS = 500

KINDS = (
    "UNKNOWN", "LLM", "CHAIN", "AGENT", "TOOL", "RETRIEVER", "EMBEDDING", "RERANKER", "EVALUATOR",
    "GUARDRAIL", "PROMPT", "DECISION",
)  # fmt: skip
"""A kind is stored as its place here: append only."""

LLM = KINDS.index("LLM")

_KIND_CODES = {kind: code for code, kind in enumerate(KINDS)}
_MOST_TOKENS = 1 << 40
_STATUSES = (0, 1, 2)

_KIND = "openinference.span.kind"
_INPUT, _OUTPUT = "input.value", "output.value"
_MODEL, _EMBEDDING_MODEL = "llm.model_name", "embedding.model_name"
_PROVIDER, _SYSTEM = "llm.provider", "llm.system"
_SESSION, _USER = "session.id", "user.id"
_PROMPT, _COMPLETION = "llm.token_count.prompt", "llm.token_count.completion"
_CACHED = "llm.token_count.prompt_details.cache_read"
_CACHE_WRITE = "llm.token_count.prompt_details.cache_write"
_REASONING = "llm.token_count.completion_details.reasoning"
_WANTED = genai.KEYS | {
    _KIND, _INPUT, _OUTPUT, _MODEL, _EMBEDDING_MODEL, _PROVIDER, _SYSTEM, _SESSION, _USER, _PROMPT,
    _COMPLETION, _CACHED, _CACHE_WRITE, _REASONING,
}  # fmt: skip
_INPUT_MESSAGE, _OUTPUT_MESSAGE = "llm.input_messages.", "llm.output_messages."
_MESSAGES = (_INPUT_MESSAGE, _OUTPUT_MESSAGE)
_SCALARS = ("int_value", "string_value", "double_value", "bool_value")
_CONTENT = ("message.content", "message_content.text")
_ROLE = "message.role"


@dataclass(slots=True)
class Facts:
    """Times in microseconds. `span_id` and `parent` are the ids' 64 bits as a signed number.
    `user` is None where the span carries no `user.id`; "" is one. Tokens are None where it is no
    LLM span. Not frozen: there is one for each span, and freezing doubles its cost."""

    trace_id: bytes
    span_id: int
    parent: int | None
    project: str
    name: str
    kind: int
    status: int
    start: int
    end: int
    model: str
    provider: str
    user: str | None
    session: str
    prompt: int | None
    completion: int | None
    cached: int | None
    cache_write: int
    reasoning: int | None
    input: str
    output: str
    texts: list[str]

    @property
    def call(self) -> Call | None:
        """What is to be priced: an LLM span that names its model, as in Phoenix."""
        if self.kind != LLM or not self.model:
            return None
        return Call(
            self.provider, self.model, self.start, self.prompt or 0, self.completion or 0,
            self.cached or 0, self.cache_write,
        )  # fmt: skip


_number = struct.Struct(">q")


def span_number(span_id: bytes) -> int:
    """Of 8 bytes; struct.error for any other number of them."""
    found: int = _number.unpack(span_id)[0]
    return found


def span_hex(number: int) -> str:
    """
    >>> span_hex(span_number(bytes.fromhex("ff00000000000001")))
    'ff00000000000001'
    """
    return number.to_bytes(8, "big", signed=True).hex()


def facts_of(logged: LoggedSpan) -> Facts:
    """About 10 µs for a span of 20 attributes."""
    span, status = logged.span, logged.span.status
    found, asked, answered = _read(span.attributes)
    kind = _kind_of(found.get(_KIND))
    prompt, completion, cached, cache_write, reasoning = (
        _tokens(found) if kind == LLM else _NO_TOKENS
    )
    parent = span.parent_span_id
    input_, output = _text(found.get(_INPUT)), _text(found.get(_OUTPUT))
    return Facts(
        trace_id=span.trace_id,
        span_id=span_number(span.span_id),
        parent=span_number(parent) if parent else None,
        project=logged.project,
        name=span.name[:MAX_NAME_CHARS],
        kind=kind,
        status=status.code if status.code in _STATUSES else 0,
        start=_micros(span.start_time_unix_nano),
        end=_micros(span.end_time_unix_nano),
        model=_text(found.get(_MODEL) or found.get(_EMBEDDING_MODEL)).strip()[:MAX_NAME_CHARS],
        provider=_text(found.get(_PROVIDER) or found.get(_SYSTEM)).strip()[:MAX_NAME_CHARS],
        user=None if found.get(_USER) is None else _text(found[_USER]),
        session=_text(found.get(_SESSION)).strip(),
        prompt=prompt,
        completion=completion,
        cached=cached,
        cache_write=cache_write,
        reasoning=reasoning,
        input=(input_ or next(reversed(_by("user", asked)), ""))[:PREVIEW_CHARS],
        output=(output or next(iter(_by("assistant", answered)), ""))[:PREVIEW_CHARS],
        texts=[
            text
            for text in (input_, output, *_texts(asked), *_texts(answered), status.message)
            if text
        ],
    )


_Said = list[tuple[str, str]]
"""Role and text of messages, in their order."""


def _by(role: str, said: _Said) -> list[str]:
    """What somebody in that role said: a preview shows no prompt of the system, and what a tool
    said is not the answer."""
    return [text for who, text in said if who == role]


def _texts(said: _Said) -> list[str]:
    return [text for _, text in said]


def _read(attributes: Iterable[KeyValue]) -> tuple[dict[str, genai.Value], _Said, _Said]:
    """The attributes that matter, and the messages, asked and answered."""
    found: dict[str, genai.Value] = {}
    roles: dict[str, str] = {}
    contents: list[tuple[str, str]] = []
    is_genai = False
    for pair in attributes:
        key = pair.key
        if key in _WANTED:
            value = pair.value
            found[key] = value.string_value or _plain(value)
            is_genai = is_genai or key.startswith(genai.PREFIX)
        elif key.startswith(_MESSAGES):
            if key.endswith(_ROLE):
                roles[key.removesuffix(_ROLE)] = pair.value.string_value
            elif key.endswith(_CONTENT):
                contents.append((key, pair.value.string_value))
    asked = _said(_INPUT_MESSAGE, contents, roles)
    answered = _said(_OUTPUT_MESSAGE, contents, roles)
    if is_genai:
        genai.fill(found)
        asked = asked or genai.said_in(_text(found.get(genai.INPUT_MESSAGES)))
        answered = answered or genai.said_in(_text(found.get(genai.OUTPUT_MESSAGES)))
    return found, asked, answered


def _said(prefix: str, contents: list[tuple[str, str]], roles: Mapping[str, str]) -> _Said:
    """The key of a content begins as that of its role does: `llm.input_messages.0.`."""
    return [
        (roles.get(key[: key.index(".", len(prefix)) + 1], ""), text)
        for key, text in contents
        if key.startswith(prefix)
    ]


def _plain(value: AnyValue) -> genai.Value:
    which = value.WhichOneof("value")
    if which in _SCALARS:
        plain: genai.Value = getattr(value, which)
        return plain
    return None if which is None else msgspec.json.encode(_nested(value)).decode()


def _nested(value: AnyValue) -> object:
    match value.WhichOneof("value"):
        case "array_value":
            return [_nested(one) for one in value.array_value.values]
        case "kvlist_value":
            return {pair.key: _nested(pair.value) for pair in value.kvlist_value.values}
        case "bytes_value":
            return value.bytes_value
        case _:
            return _plain(value)


_Tokens = tuple[int | None, int | None, int | None, int, int | None]
_NO_TOKENS: _Tokens = (None, None, None, 0, None)


def _tokens(found: Mapping[str, genai.Value]) -> _Tokens:
    get = found.get
    return (
        _count(get(_PROMPT)), _count(get(_COMPLETION)), _detail(get(_CACHED)),
        _count(get(_CACHE_WRITE)), _detail(get(_REASONING)),
    )  # fmt: skip


def _text(value: genai.Value) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _kind_of(value: genai.Value) -> int:
    """
    >>> KINDS[_kind_of("llm")], KINDS[_kind_of("poem")], KINDS[_kind_of(None)]
    ('LLM', 'UNKNOWN', 'UNKNOWN')
    """
    return _KIND_CODES.get(value.upper(), 0) if isinstance(value, str) else 0


def _micros(nanos: int) -> int:
    return (nanos + 500) // 1000


def _count(value: genai.Value) -> int:
    """
    >>> _count("12"), _count(None), _count("many"), _count(-3), _count(float("inf"))
    (12, 0, 0, 0, 0)
    """
    try:
        return min(max(int(value or 0), 0), _MOST_TOKENS)
    except (ValueError, OverflowError):
        return 0


def _detail(value: genai.Value) -> int | None:
    return None if value is None else _count(value)
