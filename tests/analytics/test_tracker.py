"""The host's tracker: never in its caller's way, and nothing sent twice or half."""

import math
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from tests.analytics.collector import Collector, Reply, collecting

from roost.analytics.events import EventLimits, parse
from roost.analytics.outbox import Room
from roost.analytics.tracker import Analytics

QUICK = Room(every_s=0.01)
SLOW = Room(every_s=60)
OWN = "anon-0123456789"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_what_is_tracked_arrives_with_the_key(collector: Collector) -> None:
    with Analytics(collector.url, "rk_key", room=QUICK) as analytics:
        analytics.track("report opened", {"plan": "pro"}, user="ann")
        collector.wait_for_events(1)
    (request,) = collector.requests
    assert request.path == "/api/phoenix/api/events"
    assert request.headers["authorization"] == "Bearer rk_key"
    (event,) = collector.events
    assert (event["name"], event["user"], event["properties"]) == (
        "report opened",
        "ann",
        {"plan": "pro"},
    )
    assert str(request.batch["library"]).startswith("roost-python/")


def test_roost_understands_what_it_sends(collector: Collector) -> None:
    with Analytics(collector.url, "rk_key", room=SLOW) as analytics:
        analytics.track("plain", {"a": 1, "b": "ü\ud800", "c": [1, {"d": None}]}, user="ann")
        analytics.track("nobodys")
        analytics.track("then", user="ann", anonymous_id=OWN, time=1_800_000_000)
        analytics.consent(False, user="bob")
    (request,) = collector.requests
    batch = parse(request.content, EventLimits(), 1_800_000_000_000, None)
    assert batch.rejected == ()
    assert [event.name for event in batch.events] == ["plain", "nobodys", "then"]
    assert [(one.user, one.granted) for one in batch.consents] == [("bob", False)]


def test_many_go_in_few_batches_packed_and_in_order(collector: Collector) -> None:
    with Analytics(collector.url, "rk_key", room=SLOW) as analytics:
        for number in range(450):
            analytics.track("counted", {"number": number}, user="ann")
    assert [len(request.ids) for request in collector.requests] == [200, 200, 50]
    assert collector.requests[0].headers["content-encoding"] == "gzip"
    numbers = [event["properties"] for event in collector.events]
    assert numbers == [{"number": number} for number in range(450)]
    assert analytics.stats.sent == 450


def test_what_the_caller_changes_later_is_sent_as_it_was(collector: Collector) -> None:
    flat: dict[str, object] = {"plan": "pro"}
    deep: dict[str, object] = {"list": [1]}
    with Analytics(collector.url, "rk_key", room=SLOW) as analytics:
        analytics.track("flat", flat, user="ann")
        analytics.track("deep", deep, user="ann")
        flat["plan"] = "free"
        deep["list"] = [2]
    assert [event["properties"] for event in collector.events] == [{"plan": "pro"}, {"list": [1]}]


def test_values_that_json_does_not_know_are_written_as_people_would(collector: Collector) -> None:
    number = uuid.uuid4()
    with Analytics(collector.url, "rk_key", room=SLOW) as analytics:
        analytics.track(
            "typed",
            {
                "at": datetime(2027, 1, 15, tzinfo=UTC),
                "id": number,
                "price": Decimal("9.90"),
                "tags": {"new"},
            },
            user="ann",
        )
    (event,) = collector.events
    assert event["properties"] == {
        "at": "2027-01-15T00:00:00+00:00",
        "id": str(number),
        "price": "9.90",
        "tags": ["new"],
    }


def test_what_cannot_be_written_is_counted_and_never_raised(collector: Collector) -> None:
    circular: dict[str, object] = {}
    circular["self"] = circular
    with Analytics(collector.url, "rk_key", room=SLOW) as analytics:
        analytics.track("object", {"value": object()}, user="ann")
        analytics.track("circle", circular, user="ann")
        analytics.track("nan", {"value": math.nan}, user="ann")
        analytics.track("good", user="ann")
    assert [event["name"] for event in collector.events] == ["good"]
    assert analytics.stats.invalid == 3


def test_nobody_waits_for_a_server_that_is_not_there() -> None:
    analytics = Analytics(f"http://127.0.0.1:{closed_port()}", "rk_key", room=QUICK)
    analytics.track("opened", user="ann")
    assert not analytics.flush(timeout_s=0.1)
    analytics.close(timeout_s=5)
    assert (analytics.stats.lost, analytics.stats.waiting) == (1, 0)


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_what_is_not_taken_now_is_sent_again_with_the_same_ids(
    collector: Collector, status: int
) -> None:
    collector.replies = [Reply(status, {"retry-after": "0"}, b"")]
    with Analytics(collector.url, "rk_key", room=QUICK) as analytics:
        analytics.track("opened", user="ann")
        collector.wait_for_events(1)
    first, second = collector.requests
    assert first.ids == second.ids
    assert analytics.stats.failures == 1


def test_an_answer_that_is_cut_off_is_asked_for_again(collector: Collector) -> None:
    collector.replies = [Reply(202, {"content-length": "99"}, b"{")]
    with Analytics(collector.url, "rk_key", room=QUICK, timeout_s=0.5) as analytics:
        analytics.track("opened", user="ann")
        collector.wait_for_requests(2)
    assert collector.requests[0].ids == collector.requests[1].ids


def test_what_roost_never_takes_is_let_go(collector: Collector) -> None:
    collector.replies = [Reply(400, {}, b'{"detail": "no"}')]
    with Analytics(collector.url, "rk_key", room=QUICK) as analytics:
        analytics.track("bad", user="ann")
        collector.wait_for_requests(1)
        analytics.track("good", user="ann")
    assert [event["name"] for event in collector.events] == ["good"]
    assert analytics.stats.rejected == 1


def test_a_batch_that_is_too_large_is_halved(collector: Collector) -> None:
    collector.replies = [Reply(413, {}, b"")]
    with Analytics(collector.url, "rk_key", room=SLOW) as analytics:
        for _ in range(5):
            analytics.track("opened", user="ann")
    assert [len(request.ids) for request in collector.requests] == [5, 2, 3]
    assert len(collector.events) == 5


def test_what_roost_says_of_each_is_counted(collector: Collector) -> None:
    said = b'{"accepted":["a"],"duplicate":["b"],"withheld":["c"],"rejected":[{"index":3}]}'
    collector.replies = [Reply(202, {}, said)]
    with Analytics(collector.url, "rk_key", room=SLOW) as analytics:
        analytics.track("opened", user="ann")
    stats = analytics.stats
    assert (stats.sent, stats.duplicate, stats.withheld, stats.rejected) == (1, 1, 1, 1)


def test_a_full_queue_lets_the_oldest_go_and_counts_them(collector: Collector) -> None:
    with Analytics(collector.url, "rk_key", room=Room(count=3, every_s=60)) as analytics:
        for number in range(8):
            analytics.track(f"event {number}", user="ann")
    names = [event["name"] for event in collector.events]
    assert names[-3:] == ["event 5", "event 6", "event 7"]
    assert analytics.stats.dropped == 8 - len(names)


def test_what_comes_after_the_end_is_counted_as_dropped(collector: Collector) -> None:
    analytics = Analytics(collector.url, "rk_key")
    analytics.close()
    analytics.track("late", user="ann")
    assert analytics.stats.dropped == 1
    assert collector.requests == []


async def test_an_event_loop_waits_beside_itself(collector: Collector) -> None:
    async with Analytics(collector.url, "rk_key", room=SLOW) as analytics:
        analytics.track("opened", user="ann")
        assert await analytics.aflush()
        assert len(collector.events) == 1


@pytest.mark.parametrize("url", ["", "app.example.com", "ftp://app.example.com"])
def test_a_url_that_is_none_is_said_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="no URL of Roost"):
        Analytics(url, "rk_key")


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FORKING = """
import os, sys
from roost.analytics.outbox import Room
from roost.analytics.tracker import Analytics

analytics = Analytics(sys.argv[1], "rk_key", room=Room(every_s=60))
analytics.track("first", user="parent")
assert analytics.flush()
for number in range(5):
    analytics.track("parent", {"number": number}, user="parent")
children = []
for child in range(3):
    pid = os.fork()
    if not pid:
        for number in range(4):
            analytics.track("child", {"child": child, "number": number})
        sys.exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
"""


def test_forked_workers_send_their_own_and_nothing_twice(collector: Collector) -> None:
    run(FORKING, collector.url)
    events = collector.events
    assert sorted(str(event["name"]) for event in events) == sorted(
        ["first", *["parent"] * 5, *["child"] * 12]
    )
    assert len({event["id"] for event in events}) == len(events)
    assert len({event["anonymous_id"] for event in events if event["name"] == "child"}) == 3


ENDING = """
import sys
from roost.analytics.tracker import Analytics
Analytics(sys.argv[1], "rk_key").track("forgotten", user="ann")
kept = Analytics(sys.argv[1], "rk_key")
kept.track("kept", user="ann")
"""


def test_a_program_that_ends_sends_what_is_left(collector: Collector) -> None:
    run(ENDING, collector.url)
    assert {event["name"] for event in collector.events} == {"forgotten", "kept"}


LIGHT = """
import sys
import roost.analytics.tracker
print(*sorted({name.split(".")[1] for name in sys.modules if name.startswith("roost.")}))
print(*{"aiohttp", "msgspec", "pydantic", "sqlalchemy", "starlette"}.intersection(sys.modules))
"""


def test_a_host_that_tracks_loads_nothing_else_of_roost() -> None:
    assert run(LIGHT).splitlines() == ["analytics", ""]
