"""Attributes as Phoenix stores them, nested, made what a tracer has sent, flat.

Source: phoenix.trace.attributes (read, not used). Rule: what Phoenix would make of the flat ones is
what was stored: lists of objects become numbered keys, other lists stay, and those attributes that
Phoenix had read as JSON become JSON again.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

_JSON_TEXTS = ("document.metadata", "llm.prompt_template.variables", "metadata", "tool.parameters")
_DEPTH_MAX = 64
_INT64 = range(-(2**63), 2**63)


def pairs_of(attributes: Mapping[str, object]) -> list[KeyValue]:
    """
    >>> [(one.key, one.value.int_value) for one in pairs_of({"llm": {"token_count": {"total": 3}}})]
    [('llm.token_count.total', 3)]
    """
    return [KeyValue(key=_clean(key), value=_value(value)) for key, value in _flat(attributes, "")]


def _flat(value: Mapping[str, object], prefix: str, depth: int = 0) -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        yield from _one(f"{prefix}{name}", inner, depth)


def _one(key: str, value: object, depth: int) -> Iterator[tuple[str, object]]:
    if value is None:
        return
    if isinstance(value, dict) and (key.endswith(_JSON_TEXTS) or depth >= _DEPTH_MAX):
        yield key, msgspec.json.encode(value).decode()
    elif isinstance(value, dict):
        yield from _flat(value, f"{key}.", depth + 1)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        yield from _numbered(key, value, depth)
    else:
        yield key, value


def _numbered(key: str, values: Sequence[object], depth: int) -> Iterator[tuple[str, object]]:
    for number, one in enumerate(values):
        if isinstance(one, dict):
            yield from _flat(one, f"{key}.{number}.", depth + 1)


def _value(value: object) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int() if value in _INT64:
            return AnyValue(int_value=value)
        case int() | float():
            return AnyValue(double_value=float(value))
        case str():
            return AnyValue(string_value=_clean(value))
        case list():
            return AnyValue(array_value=ArrayValue(values=[_value(one) for one in value]))
        case _:
            return AnyValue()


def _clean(text: str) -> str:
    """Half a surrogate pair is no text in protobuf."""
    return text.encode("utf-8", "replace").decode()
