"""The body of Phoenix's annotation calls, read as Phoenix reads it. Pure.

Rule: what Phoenix would refuse is refused here with a reason; fields that it passes over are passed
over here.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from roost.errors import BadRequest
from roost.log.records import Annotation

RESERVED = "note"
RESERVED_KEYS = "roost."
_TRUE = frozenset({"1", "on", "t", "true", "y", "yes"})

Kind = Literal["LLM", "CODE", "HUMAN"]


class _Result(Struct, frozen=True):
    label: str | None = None
    score: float | None = None
    explanation: str | None = None


class _Annotated(Struct, frozen=True, kw_only=True):
    name: str
    annotator_kind: Kind
    result: _Result | None = None
    metadata: dict[str, Any] | None = None
    identifier: str = ""


class _Span(_Annotated, frozen=True, kw_only=True):
    span_id: str


class _Trace(_Annotated, frozen=True, kw_only=True):
    trace_id: str


class _Session(_Annotated, frozen=True, kw_only=True):
    session_id: str


class _Spans(Struct, frozen=True):
    data: list[_Span]


class _Traces(Struct, frozen=True):
    data: list[_Trace]


class _Sessions(Struct, frozen=True):
    data: list[_Session]


class _Target(Struct, frozen=True):
    span_id: str = ""
    trace_id: str = ""


class _Targets(Struct, frozen=True):
    data: list[_Target] | _Target | None = None


@dataclass(frozen=True, slots=True)
class Targets:
    """Ids in hex that a write is about."""

    spans: Collection[str]
    traces: Collection[str]


T = TypeVar("T")


def span_annotations(body: bytes) -> list[Annotation]:
    return [_annotation("span", one.span_id.lower(), one) for one in _read(body, _Spans).data]


def trace_annotations(body: bytes) -> list[Annotation]:
    return [_annotation("trace", one.trace_id.lower(), one) for one in _read(body, _Traces).data]


def session_annotations(body: bytes) -> list[Annotation]:
    return [_annotation("session", one.session_id, one) for one in _read(body, _Sessions).data]


READERS: dict[str, Callable[[bytes], list[Annotation]]] = {
    "span_annotations": span_annotations,
    "trace_annotations": trace_annotations,
    "session_annotations": session_annotations,
}
"""By the last part of the path."""
TARGETED = frozenset({*READERS, "document_annotations", "span_notes", "trace_notes"})
"""Paths below /v1 whose body names spans or traces that must be there first."""


def targets(body: bytes) -> Targets:
    """Which spans and traces a body is about; none where it is not of that shape, which Phoenix
    then says better."""
    try:
        data = msgspec.json.decode(body, type=_Targets).data
    except msgspec.DecodeError:
        return Targets((), ())
    rows = data if isinstance(data, list) else [data] if data else []
    return Targets(
        {one.span_id.lower() for one in rows if _is_hex(one.span_id, 16)},
        {one.trace_id.lower() for one in rows if _is_hex(one.trace_id, 32)},
    )


def is_sync(value: str | None) -> bool:
    """
    >>> is_sync("True"), is_sync("0"), is_sync(None)
    (True, False, False)
    """
    return value is not None and value.lower() in _TRUE


def _annotation(of: str, target: str, one: _Annotated) -> Annotation:
    if one.name == RESERVED:
        raise BadRequest(
            f"The name {RESERVED!r} is reserved for notes; use POST /v1/{of}_notes instead."
        )
    result = one.result or _Result()
    return Annotation(
        of=of,
        target=target,
        name=one.name,
        annotator_kind=one.annotator_kind,
        label=result.label,
        score=result.score,
        explanation=result.explanation,
        identifier=one.identifier,
        metadata=_own(one.metadata) if one.metadata else None,
    )


def _own(metadata: dict[str, Any]) -> dict[str, Any]:
    """What Roost says of an author stands there too, and is nobody else's to say."""
    if forged := [name for name in metadata if name.startswith(RESERVED_KEYS)]:
        raise BadRequest(
            f"Metadata keys that begin with {RESERVED_KEYS!r} are Roost's own: {forged[0]!r}.",
            status=422,
        )
    return metadata


def _read(body: bytes, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=shape, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"The annotations are not understood: {error}", status=422) from None


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and all(one in "0123456789abcdefABCDEF" for one in text)
