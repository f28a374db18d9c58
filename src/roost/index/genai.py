"""OpenTelemetry's `gen_ai.*` attributes, where a span has no OpenInference of its own.

Rule: the mapping is the one by which Phoenix stores such spans, and what the span says in
OpenInference is never overridden.
"""

from collections.abc import Mapping, MutableMapping
from types import MappingProxyType

import msgspec

PREFIX = "gen_ai."
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"

_OPERATION = "gen_ai.operation.name"
_PROVIDER = "gen_ai.provider.name"
_SYSTEM = "gen_ai.system"
_MODEL = "gen_ai.request.model"
_TOOL_NAME = "gen_ai.tool.name"
_TOOL_CALL = "gen_ai.tool.call.id"
_TOOL_RESULT = "gen_ai.tool.call.result"
_QUERY = "gen_ai.retrieval.query.text"
_DOCUMENTS = "gen_ai.retrieval.documents"
_DIMENSIONS = "gen_ai.embeddings.dimension.count"

_CONVERSATION = "gen_ai.conversation.id"

_COUNTS = {
    "gen_ai.usage.input_tokens": "llm.token_count.prompt",
    "gen_ai.usage.output_tokens": "llm.token_count.completion",
    "gen_ai.usage.cache_read.input_tokens": "llm.token_count.prompt_details.cache_read",
    "gen_ai.usage.cache_creation.input_tokens": "llm.token_count.prompt_details.cache_write",
    "gen_ai.usage.reasoning.output_tokens": "llm.token_count.completion_details.reasoning",
}
_KIND_OF_OPERATION = {
    "chat": "LLM",
    "text_completion": "LLM",
    "generate_content": "LLM",
    "embeddings": "EMBEDDING",
    "execute_tool": "TOOL",
    "retrieval": "RETRIEVER",
    "invoke_agent": "AGENT",
    "create_agent": "AGENT",
}
_KIND_OF_SIGN = (
    (_TOOL_CALL, "TOOL"),
    (_TOOL_NAME, "TOOL"),
    (_DOCUMENTS, "RETRIEVER"),
    (_QUERY, "RETRIEVER"),
    (_DIMENSIONS, "EMBEDDING"),
    (INPUT_MESSAGES, "LLM"),
    (OUTPUT_MESSAGES, "LLM"),
    (_MODEL, "LLM"),
)
_OPENINFERENCE_PROVIDER: Mapping[str, str] = MappingProxyType(
    {
        "mistral_ai": "mistralai",
        "x_ai": "xai",
        "azure.ai.openai": "azure",
        "azure.ai.inference": "azure",
        "aws.bedrock": "aws",
        "gcp.vertex_ai": "google",
        "gcp.gen_ai": "google",
        "gcp.gemini": "google",
    }
)

KEYS = frozenset(_COUNTS) | {
    _CONVERSATION,
    _OPERATION, _PROVIDER, _SYSTEM, _MODEL, _TOOL_NAME, _TOOL_CALL, _TOOL_RESULT, _QUERY,
    _DOCUMENTS, _DIMENSIONS, INPUT_MESSAGES, OUTPUT_MESSAGES,
}  # fmt: skip
"""What `fill` reads."""

Value = str | int | float | bool | None


def fill(found: MutableMapping[str, Value]) -> None:
    """Adds what OpenInference would have said."""
    kind = _kind_of(found)
    if kind is not None:
        found.setdefault("openinference.span.kind", kind)
    for key, name in _COUNTS.items():
        if (count := _whole(found.get(key))) is not None:
            found.setdefault(name, count)
    if (session := found.get(_CONVERSATION)) is not None:
        found.setdefault("session.id", session)
    if (model := found.get(_MODEL)) is not None:
        found.setdefault("embedding.model_name" if kind == "EMBEDDING" else "llm.model_name", model)
    if (provider := found.get(_PROVIDER) or str(found.get(_SYSTEM) or "").lower()) != "":
        found.setdefault("llm.provider", _OPENINFERENCE_PROVIDER.get(str(provider), provider))
    if kind == "RETRIEVER" and found.get(_QUERY) is not None:
        found.setdefault("input.value", found[_QUERY])
    if kind == "TOOL" and found.get(_TOOL_RESULT) is not None:
        found.setdefault("output.value", found[_TOOL_RESULT])


def _whole(value: Value) -> int | None:
    """
    >>> _whole("12"), _whole(12.0), _whole(12.5), _whole("x"), _whole(True)
    (12, 12, None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return int(value) if not isinstance(value, float) or value.is_integer() else None
    except ValueError:
        return None


def _kind_of(found: Mapping[str, Value]) -> str | None:
    operation = found.get(_OPERATION)
    if operation is not None:
        return _KIND_OF_OPERATION.get(str(operation))
    return next((kind for key, kind in _KIND_OF_SIGN if found.get(key)), None)


class _Part(msgspec.Struct):
    content: str | None = None


class _Message(msgspec.Struct):
    role: str = ""
    parts: list[_Part] = []


_messages = msgspec.json.Decoder(list[_Message])


def said_in(messages: str) -> list[tuple[str, str]]:
    """Role and text of each part in the JSON of `gen_ai.*.messages`; none where it is not what the
    convention says.

    >>> said_in('[{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]')
    [('user', 'hello')]
    """
    try:
        decoded = _messages.decode(messages)
    except msgspec.DecodeError:
        return []
    return [(one.role, part.content) for one in decoded for part in one.parts if part.content]
