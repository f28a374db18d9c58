"""Flat attributes as the nested ones that OpenInference means by them. Pure.

Rule: every value comes out once. A name that is a value and a prefix as well, or is too deep, stays
flat under its whole name.
"""

import re
from collections.abc import Mapping

MAX_DEPTH = 24
_PLACE = re.compile(r"0|[1-9][0-9]{0,8}")


def nested(flat: Mapping[str, object]) -> dict[str, object]:
    """Names split at dots; where all of an object's names are numbers it is a list.

    >>> nested({"llm.input_messages.0.message.role": "user", "input.value": "hi", "input": 1})
    {'llm': {'input_messages': [{'message': {'role': 'user'}}]}, 'input': 1, 'input.value': 'hi'}
    """
    root: dict[str, object] = {}
    kept: dict[str, object] = {}
    values = frozenset(flat)
    for key, value in flat.items():
        parts = key.split(".")
        if _nests(key, parts, values):
            _put(root, parts, value)
        else:
            kept[key] = value
    return {**{name: _listed(one) for name, one in root.items()}, **kept}


class _Node(dict[str, object]):
    """An object that names made, as opposed to one that is a value."""


def _nests(key: str, parts: list[str], values: frozenset[str]) -> bool:
    if len(parts) == 1:
        return True
    if len(parts) > MAX_DEPTH or not all(parts):
        return False
    at = key.find(".")
    while at >= 0:
        if key[:at] in values:
            return False
        at = key.find(".", at + 1)
    return True


def _put(root: dict[str, object], parts: list[str], value: object) -> None:
    at = root
    for part in parts[:-1]:
        found = at.get(part)
        if not isinstance(found, _Node):
            found = at[part] = _Node()
        at = found
    at[parts[-1]] = value


def _listed(value: object) -> object:
    if not isinstance(value, _Node):
        return value
    inner = {name: _listed(one) for name, one in value.items()}
    if all(map(_PLACE.fullmatch, inner)):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
