"""The query string of a question about events, as a question. Pure.

Rule: a parameter that the question does not know is refused by name, and so is one given twice.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl

from roost.analytics import questions as q
from roost.analytics.events import Fault, is_property_name, to_ms
from roost.errors import BadRequest, NotFound

DEFAULT_DAYS = 30
WHERE_MAX = 8
_DAY_MS = 86_400_000
_FILTER = frozenset({"since", "until", "name", "where"})

Choice = TypeVar("Choice", bound=StrEnum)
Given = Mapping[str, list[str]]


def question(kind: str, query: str, now_ms: int) -> q.Question:
    """The question that `GET …/events/<kind>?<query>` asks. NotFound for a kind that is none."""
    if kind not in _KINDS:
        raise NotFound(reason="no such question about events")
    known, build = _KINDS[kind]
    return build(_given(query, known), now_ms)


def _series(given: Given, now_ms: int) -> q.Question:
    step = _choice(q.Step, given, "step", q.Step.DAY)
    return q.Series(_filter(given, now_ms), step, _measure(given))


def _breakdown(given: Given, now_ms: int) -> q.Question:
    by = _one(given, "by")
    if by is None:
        raise BadRequest("`by` is missing: `user`, or `property:<name>`.")
    kind, _, name = by.partition(":")
    if by != "user" and (kind != "property" or not is_property_name(name)):
        raise BadRequest("`by` is `user`, or `property:<name>`.")
    top = _one(given, "top") or "10"
    if not (top.isascii() and top.isdigit() and len(top) < 5):
        raise BadRequest(f"`top` is 1 to {q.TOP_MAX}.")
    prop = None if by == "user" else name
    return q.Breakdown(_filter(given, now_ms), prop, _measure(given), int(top))


def _users(given: Given, now_ms: int) -> q.Question:
    return q.Users(_filter(given, now_ms), _choice(q.Step, given, "step", q.Step.DAY))


def _names(given: Given, now_ms: int) -> q.Question:
    return q.Names(_one(given, "name"))


_KINDS: Mapping[str, tuple[frozenset[str], Callable[[Given, int], q.Question]]] = {
    "series": (_FILTER | {"user", "step", "measure"}, _series),
    "breakdown": (_FILTER | {"user", "by", "measure", "top"}, _breakdown),
    "users": (_FILTER | {"step"}, _users),
    "names": (frozenset({"name"}), _names),
}


def _given(query: str, known: frozenset[str]) -> Given:
    given: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            raise BadRequest(f"{key[:40]!r} is not known here: use {', '.join(sorted(known))}.")
        given.setdefault(key, []).append(value)
    return given


def _one(given: Given, name: str) -> str | None:
    values = given.get(name, [])
    if len(values) > 1:
        raise BadRequest(f"`{name}` is given more than once.")
    return values[0] if values else None


def _choice(kind: type[Choice], given: Given, name: str, default: Choice) -> Choice:
    value = _one(given, name)
    if value is None:
        return default
    try:
        return kind(value)
    except ValueError:
        raise BadRequest(f"`{name}` is one of {', '.join(kind)}.") from None


def _measure(given: Given) -> q.Measure:
    return _choice(q.Measure, given, "measure", q.Measure.COUNT)


def _filter(given: Given, now_ms: int) -> q.Filter:
    until_ms = _moment(given, "until", now_ms)
    conditions = given.get("where", [])
    if len(conditions) > WHERE_MAX:
        raise BadRequest(f"`where` may be given {WHERE_MAX} times.")
    return q.Filter(
        since_ms=_moment(given, "since", until_ms - DEFAULT_DAYS * _DAY_MS),
        until_ms=until_ms,
        name=_one(given, "name"),
        user=_one(given, "user"),
        where=tuple(map(_where, conditions)),
    )


def _moment(given: Given, name: str, default_ms: int) -> int:
    value = _one(given, name)
    if value is None:
        return max(0, default_ms)
    try:
        return to_ms(int(value) if value.isascii() and value.isdigit() else value)
    except Fault as fault:
        raise BadRequest(f"`{name}`: {fault}.") from None


def _where(text: str) -> q.Where:
    """
    >>> _where("plan=pro=yes")
    Where(property='plan', value='pro=yes')
    """
    name, equals, value = text.partition("=")
    if not equals or not is_property_name(name):
        raise BadRequest("`where` is `<property>=<value>`.")
    return q.Where(name, value)
