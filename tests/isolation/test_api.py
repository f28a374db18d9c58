"""Roost's own API between tenants and between end users: nothing of another's, in no answer.

Rule: an end user's answers are compared with those of a home that holds nothing but their own
traces; a count, a cursor or a sum that knew more would differ.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.http.api.spans import HIDDEN, a_span, conversation, span_id, trace_id
from tests.http.api.world import GLOBEX, World, world

from roost.http.api.table import ROWS
from roost.http.api_messages import Field
from roost.log.records import Annotation
from roost.model import Role

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNS, BOBS, MIXED, NOBODYS, GUSES = map(trace_id, (1, 3, 6, 4, 5))
PATHS = {
    "trace": {"trace": ANNS},
    "span": {"trace": ANNS, "span": span_id(12)},
    "session": {"session": "shared"},
}
QUERIES: dict[str, list[str]] = {
    "listTraces": [
        "", "sort=cost&limit=2", "project=default", "user=bob", "session=shared",
        "model=gpt-4o-mini", "has_errors=true&sort=-tokens", "min_latency_us=1",
        "name=agent-bob", "project=nobodys", "since=1789980000&until=1790100000",
        "kind=AGENT&status=UNSET", "span_kind=TOOL",
    ],
    "countTraces": ["", "project=default", "user=bob", "session=shared", "has_errors=true"],
    "listTraceFacets": ["", "project=default", "session=shared", "dimensions=user,name"],
    "countTracesOverTime": [
        "since=1789980000&until=1790000000", "since=1789980000&until=1790000000&width_s=3600",
        "since=1789980000&until=1790000000&user=bob",
    ],
    "exportTraces": ["", "format=csv", "bodies=true", "bodies=true&format=csv", "user=bob"],
    "listSessions": ["", "limit=1", "user=bob", "user=ann", "project=default", "since=1789980000"],
    "getUsage": [
        "", "by=user", "by=model", "by=project", "grain=hour&since=1789980000&until=1790000000",
        "user=bob", "user=ann", "project=nobodys", "groups=1&by=project",
    ],
    "listUsageTops": ["", "by=user", "by=project&measure=latency", "measure=errors", "user=bob"],
    "listUsersByUsage": ["", "measure=tokens", "project=default"],
    "getSpanValue": ["path=attributes.user.id"],
}  # fmt: skip
CALLS = [
    (f"{row.path.format(**PATHS.get('span', {}), session='shared')}", query)
    for row in ROWS
    if row.needs is Role.END_USER
    for query in QUERIES.get(row.name, [""])
]


@dataclass
class Both:
    """`whole` holds everybody's, `own` Ann's alone."""

    whole: World
    own: World


async def of_ann(at: World) -> None:
    await at.take(*conversation(1, "ann", session="shared"))
    await at.take(*conversation(2, "ann", session="of-ann", at_ms=5_000), project="second")
    own = Annotation(of="trace", target=ANNS, name="mine", label="good", subject="ann")
    await at.annotate(own)


async def of_others(at: World) -> None:
    await at.take(*conversation(3, "bob", session="shared", at_ms=10_000))
    await at.take(*conversation(4, None, session="shared", at_ms=15_000), project="nobodys")
    await at.take(*conversation(6, "ann", session="mixed", at_ms=17_000))
    await at.take(a_span(6, 69, 61, attributes={"user.id": "bob"}))
    await at.take(*conversation(5, "gus", session="shared", at_ms=20_000), tenant=GLOBEX)
    for target in (ANNS, BOBS):
        await at.annotate(Annotation(of="trace", target=target, name="theirs", subject="vera"))
    shared = Annotation(of="session", target="shared", name="theirs", subject="bob")
    await at.annotate(shared)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Both]:
    folder: Path = tmp_path_factory.mktemp("worlds")
    async with world(folder / "whole") as whole, world(folder / "own") as own:
        await of_ann(whole)
        await of_others(whole)
        await of_ann(own)
        for at in (whole, own):
            await at.settle()
        yield Both(whole, own)


def comparable(text: str) -> Any:
    """Cursors carry the number of a row; annotations the time at which they were taken."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    for one in found.get("annotations", ()):
        del one["at_us"]
    return {**found, "next": bool(found["next"])} if "next" in found else found


@pytest.mark.parametrize("opened", [set[Field](), set(Field)], ids=["closed", "open"])
@pytest.mark.parametrize(("path", "query"), CALLS, ids=lambda one: one or "plain")
async def test_an_end_user_is_answered_as_if_alone(
    both: Both, path: str, query: str, opened: set[Field]
) -> None:
    answers = []
    for at in (both.whole, both.own):
        at.opened = opened
        answer = await at.ask("GET", "ann", path, query=query)
        assert answer.status_code == 200, answer.text
        answers.append(answer.text)
    whole, own = answers
    if opened and path == f"traces/{ANNS}/annotations":
        assert "theirs" in whole  # opened: what others wrote on Ann's own
        return
    assert comparable(whole) == comparable(own)
    assert "bob" not in whole
    assert "gus" not in whole


async def test_pages_of_an_end_user_are_those_of_one_alone(both: Both) -> None:
    for path in ("traces", "sessions"):
        walked = [await walk(at, path) for at in (both.whole, both.own)]
        assert walked[0] == walked[1]
        assert len(walked[0]) == 2


async def walk(at: World, path: str) -> list[Any]:
    """All rows, one a page."""
    rows: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"limit": "1", **({"cursor": cursor} if cursor else {})}
        answer = (await at.ask("GET", "ann", path, query=query)).json()
        rows, cursor = rows + answer[path], answer["next"]
    return rows


@pytest.mark.parametrize(
    "target", [BOBS, MIXED, NOBODYS, GUSES], ids=["bob", "mixed", "none", "gus"]
)
@pytest.mark.parametrize(
    "path",
    [
        "",
        "/skeleton",
        "/annotations",
        "/spans/{span}",
        "/spans/{span}/values?path=attributes.user.id",
    ],
)
async def test_another_s_trace_looks_like_none(both: Both, target: str, path: str) -> None:
    number = int(target, 16)
    theirs = f"traces/{target}" + path.format(span=span_id(number * 10 + 1))
    nobodys = f"traces/{trace_id(999)}" + path.format(span=span_id(9991))
    answers = [await both.whole.get("ann", one) for one in (theirs, nobodys)]
    assert [one.status_code for one in answers] == [404, 404]
    assert answers[0].content == answers[1].content


async def test_another_s_span_is_not_reached_through_one_s_own_trace(both: Both) -> None:
    for number in (31, 41, 61, 51):
        answer = await both.whole.get("ann", f"traces/{ANNS}/spans/{span_id(number)}")
        assert answer.status_code == 404


async def test_a_session_of_others_looks_like_none(both: Both) -> None:
    for path in ("sessions/mixed", "sessions/mixed/traces", "sessions/mixed/annotations"):
        assert (await both.whole.get("ann", path)).status_code == 404


async def test_an_etag_of_another_opens_nothing(both: Both) -> None:
    at = both.whole
    path = f"traces/{ANNS}/skeleton"
    tag = (await at.get("vera", path)).headers["etag"]
    assert (await at.get("ann", path, headers={"if-none-match": tag})).status_code == 200
    for who in ("bob", "gus"):
        for held in (tag, "*"):
            answer = await at.get(who, path, headers={"if-none-match": held})
            assert answer.status_code == 404


@pytest.mark.parametrize("path", ["traces", "sessions"])
async def test_a_cursor_goes_on_for_its_caller_alone(both: Both, path: str) -> None:
    at = both.whole
    cursor = (await at.get("vera", path, limit="1")).json()["next"]
    assert (await at.get("vera", path, cursor=cursor)).status_code == 200
    for who in ("ann", "bob", "gus"):
        assert (await at.get(who, path, cursor=cursor)).status_code == 400
    of_ann = (await at.get("ann", path, limit="1")).json()["next"]
    for who in ("vera", "bob", "gus"):
        assert (await at.get(who, path, cursor=of_ann)).status_code == 400


async def test_another_tenant_has_nothing_of_it(both: Both) -> None:
    at = both.whole
    for path in ("traces", "traces/export", "sessions", "projects", "usage?by=user"):
        text = (await at.get("gus", path)).text
        assert not [one for one in ("ann", "bob", "nobodys", *HIDDEN) if f"{one}-ann" in text]
        assert "nobodys" not in text
    rows = (await at.get("gus", "traces")).json()["traces"]
    assert [one["trace_id"] for one in rows] == [GUSES]
