"""Which fields of a span an end user sees: an allow-list. Pure.

Rule 1: what no line here allows is hidden. Rule 2: a value that cannot be told apart from what is
hidden (a raw request holds the system's prompt) is hidden with it. Rule 3: whoever may not see a
field may not search or filter by it either.
"""

import re
from collections.abc import Mapping

from roost.errors import NotAllowed
from roost.http.api_messages import Field, Own, Sight
from roost.index.filters import TraceFilter

NONE: frozenset[Field] = frozenset()
_PROMPTS, _TOOLS = frozenset({Field.SYSTEM_PROMPTS}), frozenset({Field.TOOLS})
_METADATA = frozenset({Field.METADATA})
_CALL = _PROMPTS | _TOOLS
SEARCHED = _CALL | _METADATA
"""What full text is made of, beside questions and answers."""

_CONVERSING = frozenset({"CHAIN", "AGENT"})
_TOOLING = frozenset({"TOOL", "RETRIEVER", "RERANKER", "EMBEDDING"})
_PLAIN = frozenset(
    {
        "openinference.span.kind", "session.id", "user.id", "llm.model_name", "llm.provider",
        "llm.system", "embedding.model_name", "tool.name", "agent.name",
    }
)  # fmt: skip
_PLAIN_PREFIXES = ("llm.token_count.", "llm.cost.")
_EXCHANGED = re.compile(r"(?:input|output)\.(?:value|mime_type)")
_MESSAGE = re.compile(r"(llm\.(?:input|output)_messages\.\d+)\.message\.(.+)")
_CONTENT = re.compile(r"content|contents\.\d+\.message_content\.(?:type|text)")
_OF_PROMPTS = ("llm.prompt_template.", "llm.prompts.", "llm.invocation_parameters")
_OF_TOOLS = (
    "tool.", "tool_call.", "llm.tools.", "retrieval.", "reranker.", "embedding.", "document.",
)  # fmt: skip
_OF_METADATA = frozenset({"metadata", "tag.tags"})
_OF_RAW = ("gen_ai.", "llm.completions.", "llm.choices.", "llm.function_call")


def needed(
    key: str, attributes: Mapping[str, object], kind: str, *, is_root: bool
) -> frozenset[Field]:
    """What must be open for an end user to see that attribute of a span of that kind.

    >>> message = {"llm.input_messages.0.message.role": "system"}
    >>> sorted(needed("llm.input_messages.0.message.content", message, "LLM", is_root=False))
    [<Field.SYSTEM_PROMPTS: 'system_prompts'>]
    """
    if key in _PLAIN or key.startswith(_PLAIN_PREFIXES):
        return NONE
    if _EXCHANGED.fullmatch(key):
        return needed_for_exchange(kind, is_root=is_root)
    if (message := _MESSAGE.fullmatch(key)) is not None:
        return _of_message(message[2], attributes.get(f"{message[1]}.message.role"))
    if key.startswith(_OF_PROMPTS):
        return _PROMPTS
    if key.startswith(_OF_TOOLS):
        return _TOOLS
    if key in _OF_METADATA:
        return _METADATA
    return _CALL if key.startswith(_OF_RAW) else SEARCHED


def needed_for_exchange(kind: str, *, is_root: bool) -> frozenset[Field]:
    """For `input.value` and `output.value`: those of the outermost agent or chain are what a user
    asked and got; those of a model's call are the raw request."""
    if kind in _CONVERSING and is_root:
        return NONE
    if kind in _TOOLING:
        return _TOOLS
    return _CALL


def _of_message(rest: str, role: object) -> frozenset[Field]:
    if rest == "role":
        return NONE
    if role in ("system", "developer"):
        return _PROMPTS
    if role in ("user", "assistant") and _CONTENT.fullmatch(rest):
        return NONE
    if role in ("user", "assistant", "tool", "function"):
        return _TOOLS
    return _CALL


def refuse_hidden_filters(sight: Sight, wanted: TraceFilter) -> None:
    """NotAllowed where the filter would tell an end user what the rows do not."""
    if not isinstance(sight, Own):
        return
    if wanted.text and not sight.opened >= SEARCHED:
        raise NotAllowed(
            "Searching for words is not open to end users here: it would find what they may not "
            "see.",
            reason="full text holds hidden fields",
        )
    if wanted.annotation is not None and Field.ANNOTATIONS not in sight.opened:
        raise NotAllowed(
            "Filtering by annotations is not open to end users here.",
            reason="annotations are hidden",
        )


def hides(sight: Sight, fields: frozenset[Field]) -> frozenset[Field]:
    """Those of the fields that are withheld from that caller."""
    return fields - sight.opened if isinstance(sight, Own) else NONE
