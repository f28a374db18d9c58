"""What of the log is said: how far it is, what Phoenix does not take, and where a trace stands."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.http.api.spans import a_span, trace_id
from tests.http.api.world import ACME, World, world
from tests.proxy.loopback import until

from roost.policy.forwarding import parse_policy

pytestmark = pytest.mark.asyncio(loop_scope="module")
POLICIES = {"few": parse_policy("errors"), "none": parse_policy("sample:0")}


@pytest_asyncio.fixture(loop_scope="module")
async def choosy(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path, POLICIES) as one:
        yield one


async def stored(at: World) -> dict[str, str]:
    rows = (await at.get("vera", "traces")).json()["traces"]
    return {row["name"]: row["stored"] for row in rows}


async def test_a_trace_is_pending_until_phoenix_has_it(at: World) -> None:
    at.cells[ACME.id].is_down = True
    await at.take(a_span(1, 1))
    assert await stored(at) == {"answer": "pending"}
    at.cells[ACME.id].is_down = False
    await at.settle()
    assert await stored(at) == {"answer": "phoenix"}
    at.cells[ACME.id].is_down = True
    await at.take(a_span(1, 2, 1))
    assert (await at.get("vera", f"traces/{trace_id(1)}")).json()["stored"] == "pending"


async def test_what_the_policy_holds_back_is_in_roost_alone(choosy: World) -> None:
    await choosy.take(a_span(1, 1, name="held"), project="none")
    await choosy.take(a_span(2, 2, name="well"), project="few")
    await choosy.take(a_span(3, 3, name="failed", failed=True), project="few")
    await choosy.take(a_span(4, 4, name="sent"))
    await choosy.settle()
    assert await stored(choosy) == {
        "held": "roost",
        "well": "roost",
        "failed": "phoenix",
        "sent": "phoenix",
    }
    state = (await choosy.get("mia", "ingest")).json()
    assert (state["skipped"], state["confirmed"]) == (2, 2)


async def test_members_are_told_how_far_it_is(at: World) -> None:
    await at.take(a_span(1, 1))
    await at.settle()
    state = (await at.get("mia", "ingest")).json()
    assert (state["received"], state["settled"], state["indexed"]) == (1, 1, 1)
    assert (state["confirmed"], state["parked"], state["fault"]) == (1, 0, None)
    assert state["stored_bytes"] > 0


async def test_a_fault_is_told_without_its_inside(at: World) -> None:
    at.cells[ACME.id].is_down = True
    await at.take(a_span(1, 1))
    home = await at.home()
    await until(lambda: home.forward.fault != "")
    state = (await at.get("mia", "ingest")).json()
    assert state["fault"].startswith("Phoenix of this tenant takes no spans just now")
    assert home.forward.fault not in state["fault"]


async def test_what_phoenix_does_not_take_is_listed_and_sent_again(at: World) -> None:
    at.cells[ACME.id].refuses = {"odd"}
    for number in (1, 2, 3):
        await at.take(a_span(number, number, name="odd"))
    await at.settle()
    first = (await at.get("mia", "ingest/parked", limit="2")).json()
    second = await at.get("mia", "ingest/parked", limit="2", after=str(first["next"]))
    rows = first["parked"] + second.json()["parked"]
    assert [one["trace_id"] for one in rows] == [trace_id(one) for one in (1, 2, 3)]
    assert rows[0]["reason"] == "Phoenix refused it with 400"
    assert second.json()["next"] is None
    at.cells[ACME.id].refuses = ()
    one = await at.ask("POST", "ada", "ingest/retry", body={"ids": [rows[0]["id"]]})
    rest = await at.ask("POST", "ada", "ingest/retry")
    assert (one.json(), rest.json()) == ({"count": 1}, {"count": 2})
    await at.settle()
    assert (await at.get("mia", "ingest/parked")).json() == {"parked": [], "next": None}


@pytest.mark.parametrize(
    ("body", "status"),
    [({"ids": "all"}, 400), ({"id": [1]}, 400), ({"ids": [1] * 1001}, 400), ([], 400)],
    ids=["no list", "unknown field", "too many", "no object"],
)
async def test_a_body_that_is_not_understood_is_refused(
    at: World, body: object, status: int
) -> None:
    assert (await at.ask("POST", "ada", "ingest/retry", body=body)).status_code == status


async def test_a_retry_leaves_a_line_in_the_audit_log(
    at: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "roost.audit"):
        await at.ask("POST", "mia", "ingest/retry")
        await at.ask("POST", "ada", "ingest/retry")
    lines = [one.getMessage() for one in caplog.records if one.name == "roost.audit"]
    assert [("refused" in one, "/api/ingest/retry" in one) for one in lines] == [
        (True, True),
        (False, True),
    ]
