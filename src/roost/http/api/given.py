"""The query string of a call, read by the parameters that its row knows. Pure.

Rule: a parameter that the row does not know is refused by name, and so is one given twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast, overload
from urllib.parse import parse_qsl

from msgspec import Struct

from roost.errors import BadRequest
from roost.http.api.kinds import Fault, Kind

Named = Mapping[str, str]
"""What the names in a path stand for."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Parameter(Generic[T_co]):
    """`default` is what counts where none is given, as it is shown; `example` as it is written."""

    name: str
    kind: Kind[T_co]
    description: str
    default: str | None = None
    example: str | None = None
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Given:
    """What a call gives: by parameter, by the names in the row's path, by its body and by the
    clock."""

    now_us: int = 0
    path: Named = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    body: Struct | None = None

    @overload
    def get(self, parameter: Parameter[T]) -> T | None: ...
    @overload
    def get(self, parameter: Parameter[T], default: T) -> T: ...
    def get(self, parameter: Parameter[T], default: T | None = None) -> T | None:
        return cast("T | None", self.values.get(parameter.name, default))


def read(query: str, parameters: Sequence[Parameter[object]]) -> Mapping[str, object]:
    """BadRequest for what is unknown, given twice, missing, or not of its kind."""
    known = {one.name: one for one in parameters}
    values: dict[str, object] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise BadRequest(f"{name[:40]!r} is not known here: {_listed(parameters)}.")
        if name in values:
            raise BadRequest(f"`{name}` is given more than once.")
        values[name] = _value(known[name], text)
    for one in parameters:
        if one.is_required and one.name not in values:
            raise BadRequest(f"`{one.name}` is missing: {one.description}")
    return values


def _value(parameter: Parameter[object], text: str) -> object:
    try:
        return parameter.kind.read(text)
    except Fault as fault:
        raise BadRequest(f"`{parameter.name}` {fault}.") from None


def _listed(parameters: Sequence[Parameter[object]]) -> str:
    names = ", ".join(one.name for one in parameters)
    return f"use {names}" if names else "this takes no parameters"
