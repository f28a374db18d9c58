"""JSON attributes as the flat ones that OpenInference's tracers send.

`{"llm": {"input_messages": [{"message": {"role": "user"}}]}}` becomes
`llm.input_messages.0.message.role`, which Phoenix nests again, and which every reader of the log
knows. Rule: what would not come back the same (a name with a dot or of digits alone, an empty
object, a list of mixed values) stays nested, as an OTLP map or list: nothing is lost.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from roost.ingest.otlp_json import MAX_VALUE_DEPTH

JSON_ATTRIBUTES = (
    "document.metadata",
    "llm.prompt_template.variables",
    "metadata",
    "tool.parameters",
)
"""Objects that OpenInference writes as JSON in a string."""

_INT64 = range(-(2**63), 2**63)


class Pairs(Protocol):
    """A repeated KeyValue."""

    def add(self) -> KeyValue: ...


def fill_attributes(into: Pairs, attributes: Mapping[str, object]) -> None:
    """ValueError where a value is nested too deeply. A null is no attribute."""
    flat: dict[str, object] = {}
    for key, value in attributes.items():
        flat.update(_flattened(key, value, 0))
    fill_nested(into, flat)


def fill_nested(into: Pairs, attributes: Mapping[str, object]) -> None:
    """The same, but as they are: nobody nests an event's attributes again."""
    for key, value in attributes.items():
        if value is not None:
            pair = into.add()
            pair.key = key
            _fill_value(pair.value, value, 0)


def _flattened(key: str, value: object, depth: int) -> Iterator[tuple[str, object]]:
    if value is None:
        return
    _check(depth)
    if isinstance(value, dict) and key.endswith(JSON_ATTRIBUTES):
        yield key, json.dumps(value)
    elif isinstance(value, dict) and value and all(map(_is_plain, value)):
        for name, one in value.items():
            yield from _flattened(f"{key}.{name}", one, depth + 1)
    elif isinstance(value, list) and value and all(_is_object(one) for one in value):
        for at, one in enumerate(value):
            yield from _flattened(f"{key}.{at}", one, depth + 1)
    else:
        yield key, value


def _is_plain(name: str) -> bool:
    """Whether Phoenix splits a key at this name and nowhere else."""
    return name != "" and name == name.strip() and "." not in name and not name.isdigit()


def _is_object(value: object) -> bool:
    """One that is flattened in turn: else it would come back as a name, not as a place."""
    return isinstance(value, dict) and bool(value) and all(map(_is_plain, value))


def _fill_value(into: AnyValue, value: object, depth: int) -> None:
    match value:
        case str():
            into.string_value = value
        case bool():
            into.bool_value = value
        case int() if value in _INT64:
            into.int_value = value
        case int() | float():
            into.double_value = _double(value)
        case dict():
            _fill_map(into, value, depth + 1)
        case list():
            _fill_list(into, value, depth + 1)


def _double(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        raise ValueError("an attribute's number is too large") from None


def _fill_map(into: AnyValue, pairs: Mapping[str, object], depth: int) -> None:
    _check(depth)
    into.kvlist_value.SetInParent()
    for key, one in pairs.items():
        pair = into.kvlist_value.values.add()
        pair.key = key
        pair.value.SetInParent()
        _fill_value(pair.value, one, depth)


def _fill_list(into: AnyValue, values: Sequence[object], depth: int) -> None:
    _check(depth)
    into.array_value.SetInParent()
    for one in values:
        _fill_value(into.array_value.values.add(), one, depth)


def _check(depth: int) -> None:
    if depth > MAX_VALUE_DEPTH:
        raise ValueError(f"an attribute is nested more than {MAX_VALUE_DEPTH} deep")
