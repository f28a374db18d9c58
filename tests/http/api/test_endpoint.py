"""Who may ask what, how it is answered, and what is refused."""

from typing import Any

import httpx
import pytest
from tests.http.api.spans import conversation, span_id, trace_id
from tests.http.api.world import World

from roost.http.api.table import ROWS

ANNS, BOBS, GUSES = trace_id(1), trace_id(3), trace_id(5)
TRACE = f"traces/{ANNS}"
pytestmark = pytest.mark.asyncio(loop_scope="module")


def detail(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return str(answer.json()["detail"])


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["trace_id"] for row in answer.json()["traces"]]


async def test_a_viewer_sees_all_traces_of_the_tenant(full: World) -> None:
    answer = await full.get("vera", "traces")
    assert ids(answer) == [trace_id(one) for one in (4, 3, 2, 1)]
    row = answer.json()["traces"][3]
    assert (row["name"], row["user"], row["session"]) == ("agent-ann", "ann", "shared")
    assert (row["spans"], row["errors"], row["tokens"]) == (5, 1, 120)
    assert (row["input"], row["output"]) == ("question-ann-1", "answer-ann-1")
    assert row["cost_usd"] > 0
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["vary"] == "Accept, Accept-Encoding, Authorization, Cookie"


async def test_a_tenant_may_be_named_in_the_path(full: World) -> None:
    assert len(ids(await full.get("vera", "/t/acme/api/traces"))) == 4


@pytest.mark.parametrize("path", ["/t/globex/api/traces", "/t/nowhere/api/traces"])
async def test_a_tenant_that_is_not_theirs_looks_like_none(full: World, path: str) -> None:
    answer = await full.get("vera", path)
    assert (answer.status_code, answer.json()["title"]) == (404, "Nothing here")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_a_key_that_only_sends_spans_is_refused_everywhere(full: World, row: Any) -> None:
    path = row.path.format(trace=ANNS, span=span_id(11), session="shared")
    answer = await full.ask(row.method, "sender", path)
    assert answer.status_code == 403
    assert "may only send spans" in detail(answer)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_an_end_user_without_a_user_id_is_refused_everywhere(full: World, row: Any) -> None:
    path = row.path.format(trace=ANNS, span=span_id(11), session="shared")
    answer = await full.ask(row.method, "nobody", path)
    assert answer.status_code == 403
    assert "user_id_claim" in detail(answer)


@pytest.mark.parametrize(
    ("who", "path", "method"),
    [
        ("ann", "ingest", "GET"),
        ("vera", "ingest", "GET"),
        ("vera", "ingest/parked", "GET"),
        ("mia", "ingest/retry", "POST"),
    ],
)
async def test_a_role_that_is_too_low_is_told_so(
    full: World, who: str, path: str, method: str
) -> None:
    answer = await full.ask(method, who, path)
    assert answer.status_code == 403
    assert "needs the role" in detail(answer)


async def test_without_a_proof_nothing_is_said(full: World) -> None:
    assert (await full.get("stranger", "traces")).status_code == 401


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("nothing", "GET"),
        ("traces", "DELETE"),
        ("ingest/retry", "GET"),
        ("traces/xyz", "GET"),
        ("traces/xyz/skeleton", "GET"),
        (f"{TRACE}/spans/{span_id(99)}", "GET"),
        (f"{TRACE}/spans/{span_id(31)}", "GET"),
        (f"traces/{trace_id(99)}", "GET"),
        (f"traces/{GUSES}", "GET"),
        ("sessions/nowhere", "GET"),
    ],
)
async def test_what_is_not_there_is_404(full: World, path: str, method: str) -> None:
    assert (await full.ask(method, "ada", path)).status_code == 404


@pytest.mark.parametrize(
    ("path", "query", "says"),
    [
        ("traces", "colour=red", "'colour' is not known here: use project, since"),
        ("projects", "limit=1", "this takes no parameters"),
        ("traces", "limit=1&limit=2", "`limit` is given more than once"),
        ("traces", "limit=0", "`limit` is a whole number from 1 to 500"),
        ("traces", "since=yesterday", "ISO 8601"),
        ("traces", "status=BAD", "`status` is one of UNSET, OK, ERROR"),
        ("traces", "has_errors=yes", "`has_errors` is true or false"),
        ("traces", "min_cost_usd=nan", "`min_cost_usd` is a number"),
        ("traces", "annotation_label=good", "needs its name"),
        ("traces", "cursor=rubbish", "another query"),
        ("traces/histogram", "since=10&until=10", "`since` lies before `until`"),
        ("traces/histogram", "width_s=1", "at most 1000 bars"),
        (f"{TRACE}/spans/{span_id(11)}/values", "", "`path` is missing"),
        ("openapi.json", "x=1", "takes no parameters"),
    ],
)
async def test_what_cannot_be_understood_is_named(
    full: World, path: str, query: str, says: str
) -> None:
    answer = await full.ask("GET", "vera", path, query=query)
    assert answer.status_code == 400
    assert says in detail(answer)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"project": "second"}, [2]),
        ({"user": "bob"}, [3]),
        ({"session": "shared", "sort": "start"}, [1, 3]),
        ({"since": "1789990010", "sort": "start"}, [3, 4]),
        ({"until": "2026-09-21T11:26:45Z"}, [1]),
        ({"kind": "agent", "limit": "1"}, [4]),
        ({"model": "gpt-4o-mini", "user": "ann"}, [2, 1]),
        ({"text": "question ann"}, [2, 1]),
        ({"annotation": "helpful", "annotation_min_score": "0.5"}, [3, 1]),
        ({"has_errors": "false"}, []),
        ({"min_latency_us": "1000001"}, []),
    ],
    ids=str,
)
async def test_traces_are_filtered_and_sorted(
    full: World, query: dict[str, str], found: list[int]
) -> None:
    assert ids(await full.ask("GET", "vera", "traces", query=query)) == [
        trace_id(one) for one in found
    ]


async def test_pages_go_on_by_their_cursor(full: World) -> None:
    first = await full.get("vera", "traces", limit="3")
    second = await full.get("vera", "traces", limit="3", cursor=first.json()["next"])
    assert len(ids(first)) == 3
    assert (ids(second), second.json()["next"]) == ([ANNS], None)


async def test_what_stands_beside_a_list_is_counted(full: World) -> None:
    assert (await full.get("vera", "traces/count")).json() == {"count": 4, "more": False}
    facets = await full.get("vera", "traces/facets", dimensions="user,status")
    assert facets.json()["values"]["user"] == [
        {"value": "ann", "count": 2},
        {"value": "bob", "count": 1},
    ]
    assert set(facets.json()["values"]) == {"user", "status"}
    bars = await full.get("vera", "traces/histogram", since="1789989900", until="1789990100")
    assert bars.json()["width_us"] == 5_000_000
    assert sum(one["traces"] for one in bars.json()["bars"]) == 4
    projects = (await full.get("vera", "projects")).json()["projects"]
    assert [(one["name"], one["traces"]) for one in projects] == [
        ("default", 2),
        ("nobodys", 1),
        ("second", 1),
    ]


async def test_a_tree_comes_as_columns(full: World) -> None:
    answer = await full.get("vera", f"{TRACE}/skeleton")
    tree = answer.json()
    assert tree["span_id"] == [span_id(one) for one in (11, 12, 13, 14, 15)]
    assert tree["parent"] == [-1, 0, 0, 0, 0]
    assert [tree["kinds"][one] for one in tree["kind"]][:3] == ["AGENT", "LLM", "TOOL"]
    assert answer.headers["cache-control"] == "private, no-cache"


async def test_what_the_caller_holds_is_not_sent_again(full: World) -> None:
    for path in (f"{TRACE}/skeleton", f"{TRACE}/spans/{span_id(12)}", "openapi.json"):
        first = await full.get("vera", path)
        again = await full.get("vera", path, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == "private, no-cache"


async def test_an_etag_is_of_one_caller_and_one_question(full: World) -> None:
    asked = [
        ("vera", f"{TRACE}/skeleton"),
        ("ann", f"{TRACE}/skeleton"),
        ("vera", f"{TRACE}/skeleton?limit=2"),
        ("vera", f"{TRACE}/spans/{span_id(11)}"),
        ("vera", f"{TRACE}/spans/{span_id(12)}"),
        ("vera", f"traces/{BOBS}/skeleton"),
    ]
    tags = [(await full.get(who, path)).headers["etag"] for who, path in asked]
    assert len(set(tags)) == len(asked)


async def test_an_etag_changes_with_the_trace(at: World) -> None:
    await at.take(*conversation(1, "ann")[:3])
    before = await at.get("vera", f"{TRACE}/skeleton")
    await at.take(*conversation(1, "ann")[3:])
    held = {"if-none-match": before.headers["etag"]}
    after = await at.get("vera", f"{TRACE}/skeleton", headers=held)
    assert (after.status_code, len(after.json()["span_id"])) == (200, 5)


async def test_head_is_get_without_a_body(full: World) -> None:
    for path in ("traces", f"{TRACE}/skeleton", "traces/export", "openapi.json"):
        whole = await full.get("vera", path, headers={"accept-encoding": "identity"})
        answer = await full.ask("HEAD", "vera", path, headers={"accept-encoding": "identity"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers.get("content-length") == whole.headers.get("content-length")


async def test_a_long_answer_is_packed_for_those_who_take_it(full: World) -> None:
    plain = await full.get("vera", "traces", headers={"accept-encoding": "br, gzip;q=0"})
    packed = await full.get("vera", "traces", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


async def test_sessions_and_their_traces(full: World) -> None:
    rows = (await full.get("vera", "sessions")).json()["sessions"]
    assert [one["session"] for one in rows] == ["shared", "of-ann"]
    one = (await full.get("vera", "sessions/shared")).json()
    assert one == rows[0]
    assert (one["traces"], one["first_input"], one["last_output"]) == (
        2,
        "question-ann-1",
        "answer-bob-3",
    )
    assert ids(await full.get("vera", "sessions/shared/traces")) == [ANNS, BOBS]
    assert (await full.get("vera", "sessions/shared/annotations")).json() == {"annotations": []}


async def test_annotations_of_a_trace(full: World) -> None:
    found = (await full.get("vera", f"{TRACE}/annotations")).json()["annotations"]
    assert [(one["subject"], one["label"], one["score"]) for one in found] == [
        ("vera", "yes", 0.5),
        ("ann", "yes", 0.5),
    ]


async def test_usage_by_model_and_by_user(full: World) -> None:
    usage = (await full.get("vera", "usage", by="model")).json()
    (group,) = usage["groups"]
    assert (group["key"], group["total"]["spans"]) == ("gpt-4o-mini", 4)
    assert group["total"]["prompt_tokens"] == 400
    users = (await full.get("vera", "usage/users", measure="tokens")).json()["groups"]
    assert [(one["key"], one["total"]["traces"]) for one in users] == [
        ("ann", 2),
        ("", 1),
        ("bob", 1),
    ]
    (top,) = (await full.get("vera", "usage/tops", by="provider")).json()["groups"]
    assert (top["key"], top["points"]) == ("openai", [])


async def test_the_document_is_served_for_where_it_is(full: World) -> None:
    served = (await full.get("ann", "openapi.json")).json()
    assert served["servers"][1]["url"] == "/api/phoenix"
    assert "/api/traces/{trace}" in served["paths"]
