"""What of a span an end user sees: what is allowed, and nothing else."""

import json
from collections.abc import Iterable

import pytest
from tests.http.api.spans import HIDDEN, OPEN_TO_OWNERS, a_span, conversation, span_id, trace_id
from tests.http.api.world import World

from roost.http.api_messages import Field

ANNS = trace_id(1)
pytestmark = pytest.mark.asyncio(loop_scope="module")

SYSTEM, TOOLS, METADATA = Field.SYSTEM_PROMPTS, Field.TOOLS, Field.METADATA
OPENS = {
    "metadata": {METADATA},
    "exception": {METADATA},
    "custom": {SYSTEM, TOOLS, METADATA},
    "prompt": {SYSTEM},
    "parameters": {SYSTEM},
    "toolarguments": {TOOLS},
    "toolinput": {TOOLS},
    "tooloutput": {TOOLS},
    "toolarg": {TOOLS},
    "query": {TOOLS},
    "document": {TOOLS},
    "rawrequest": {SYSTEM, TOOLS},
    "rawanswer": {SYSTEM, TOOLS},
    "innerinput": {SYSTEM, TOOLS},
}


async def bodies(at: World, who: str) -> str:
    """All that the API tells of the bodies of Ann's trace."""
    texts = [
        (await at.get(who, f"traces/{ANNS}/spans/{span_id(one)}")).text for one in range(11, 16)
    ]
    for format_ in ("jsonl", "csv"):
        answer = await at.get(who, "traces/export", bodies="true", format=format_)
        assert answer.status_code == 200
        texts.append(answer.text)
    return "\n".join(texts)


def said(words: Iterable[str], text: str) -> set[str]:
    return {word for word in words if f"{word}-ann-1" in text}


async def test_a_viewer_sees_all_of_it(full: World) -> None:
    assert said((*OPEN_TO_OWNERS, *HIDDEN), await bodies(full, "vera")) == {
        *OPEN_TO_OWNERS,
        *HIDDEN,
    }


async def test_an_end_user_sees_questions_and_answers(full: World) -> None:
    text = await bodies(full, "ann")
    assert said((*OPEN_TO_OWNERS, *HIDDEN), text) == set(OPEN_TO_OWNERS)
    assert "the resource of it" not in text
    assert "the status of it" not in text
    assert "the stack of it" not in text
    body = (await full.get("ann", f"traces/{ANNS}/spans/{span_id(12)}")).json()
    assert body["attributes"]["llm"]["model_name"] == "gpt-4o-mini"
    assert body["hidden"] == ["metadata", "system_prompts", "tools"]


@pytest.mark.parametrize(
    "opened", [{one} for one in Field] + [{SYSTEM, TOOLS}, set(Field)], ids=str
)
async def test_what_a_tenant_opens_is_seen(full: World, opened: set[Field]) -> None:
    full.opened = opened
    try:
        seen = said(HIDDEN, await bodies(full, "ann"))
    finally:
        full.opened = set()
    assert seen == {word for word, needed in OPENS.items() if needed <= opened}


async def test_a_value_that_is_hidden_has_no_parts(full: World) -> None:
    for path, number in (
        ("attributes.llm.input_messages.0.message.content", 12),
        ("attributes.input.value", 13),
        ("status_message", 13),
        ("events.0.exception.message", 13),
        ("resource.service.name", 11),
    ):
        where = f"traces/{ANNS}/spans/{span_id(number)}/values"
        for who, status in (("ann", 404), ("vera", 200)):
            answer = await full.ask("GET", who, where, query={"path": path})
            assert answer.status_code == status


@pytest.mark.parametrize(
    "path", ["traces", "traces/count", "traces/facets", "traces/histogram", "traces/export"]
)
async def test_what_is_hidden_cannot_be_searched_for(full: World, path: str) -> None:
    for query in ({"text": "prompt"}, {"annotation": "helpful"}):
        answer = await full.ask("GET", "ann", path, query=query)
        assert answer.status_code == 403
        assert "not open to end users" in answer.json()["detail"]
        assert (await full.ask("GET", "vera", path, query=query)).status_code == 200


async def test_what_is_opened_can_be_searched_for(full: World) -> None:
    full.opened = {SYSTEM, TOOLS, METADATA}
    try:
        answer = await full.get("ann", "traces", text="prompt")
        refused = await full.get("ann", "traces", annotation="helpful")
    finally:
        full.opened = set()
    assert len(answer.json()["traces"]) == 2
    assert refused.status_code == 403


async def test_a_preview_of_a_raw_request_is_hidden(at: World) -> None:
    raw = {"input.value": '{"messages": "a prompt"}', "output.value": "raw", "user.id": "ann"}
    kinds = {1: "LLM", 2: "TOOL", 3: "AGENT", 4: "", 5: "CHAIN"}
    for number, kind in kinds.items():
        named = {"openinference.span.kind": kind, "session.id": f"s{number}"}
        await at.take(a_span(number, number, attributes={**raw, **named}))
    rows = (await at.get("ann", "traces", sort="start")).json()["traces"]
    shown = {row["kind"]: (row["input"], row["output"]) for row in rows}
    assert shown["LLM"] == shown["TOOL"] == shown["UNKNOWN"] == (None, None)
    assert shown["AGENT"] == shown["CHAIN"] == (raw["input.value"], "raw")
    sessions = (await at.get("ann", "sessions")).json()["sessions"]
    seen = {one["session"]: (one["first_input"], one["last_output"]) for one in sessions}
    assert seen["s1"] == (None, None)
    assert seen["s3"] == (raw["input.value"], "raw")


async def test_a_span_that_stands_in_for_the_root_shows_nothing(at: World) -> None:
    inner = {"openinference.span.kind": "CHAIN", "input.value": "inner", "user.id": "ann"}
    await at.take(a_span(1, 12, 11, attributes=inner))
    (row,) = (await at.get("ann", "traces")).json()["traces"]
    assert (row["has_root"], row["input"]) == (False, None)


async def test_an_end_user_sees_their_own_annotations(full: World) -> None:
    path = f"traces/{ANNS}/annotations"
    mine = (await full.get("ann", path)).json()["annotations"]
    assert [one["subject"] for one in mine] == ["ann"]
    full.opened = {Field.ANNOTATIONS}
    try:
        everybodys = (await full.get("ann", path)).json()["annotations"]
    finally:
        full.opened = set()
    assert [one["subject"] for one in everybodys] == ["vera", "ann"]


async def test_a_trace_that_becomes_anothers_too_is_gone(at: World) -> None:
    await at.take(*conversation(1, "ann"))
    late = a_span(1, 99, 11, attributes={"user.id": "bob"})
    assert (await at.get("ann", f"traces/{ANNS}")).status_code == 200
    await at.take(late)
    for path in (f"traces/{ANNS}", f"traces/{ANNS}/skeleton", f"traces/{ANNS}/spans/{span_id(11)}"):
        for who in ("ann", "bob"):
            assert (await at.get(who, path)).status_code == 404
    assert json.loads((await at.get("ann", "traces")).text) == {"traces": [], "next": None}
