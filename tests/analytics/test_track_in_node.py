"""track.js in Node, against a server that keeps what it gets."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.analytics.collector import Collector, Reply, collecting
from tests.analytics.homes import NOON_MS
from tests.cells.stock_phoenix import require

from roost.analytics.events import EventLimits, parse

TRACK = Path(__file__).parents[2] / "src" / "roost" / "static" / "track.js"
HEAD = """
import { createTracker } from "%s";
const tracker = createTracker({ url: process.argv[1], key: "rk_key", %s });
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as one:
        yield one


def node(collector: Collector, script: str, options: str = "everyMs: 5") -> str:
    """What the script prints; it ends by itself."""
    program = shutil.which("node")
    require(program, "Node")
    source = HEAD % (TRACK.as_uri(), options) + script
    done = subprocess.run(
        [str(program), "--input-type=module", "-e", source, collector.url],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_is_tracked_arrives_with_the_key_and_roost_understands_it(
    collector: Collector,
) -> None:
    node(
        collector,
        """
        const text = "ü\\ud800" + String.raw`\\ud800`;
        tracker.track("report opened", { plan: "pro", text }, { user: "ann" });
        tracker.track("nobodys");
        tracker.track("then", {}, { user: "ann", anonymousId: "anon-12345", time: 1.8e12 });
        tracker.consent(false, { user: "bob" });
        """,
    )
    (request,) = collector.requests
    assert request.path == "/api/phoenix/api/events"
    assert request.headers["authorization"] == "Bearer rk_key"
    batch = parse(request.content, EventLimits(), NOON_MS, None)
    assert batch.events[0].library == f"roost-js/{version('roost')}"
    assert batch.rejected == ()
    first, second, third = batch.events
    assert (first.name, first.user, first.anonymous_id) == ("report opened", "ann", None)
    assert second.anonymous_id
    assert json.loads(first.properties) == {"plan": "pro", "text": "ü\ufffd\\ud800"}
    assert third.anonymous_id == "anon-12345"
    assert collector.events[2]["time"] == 1.8e9
    assert [(one.user, one.granted) for one in batch.consents] == [("bob", False)]


def test_a_program_that_ends_sends_all_that_waits(collector: Collector) -> None:
    node(
        collector,
        "for (let n = 0; n < 120; n++) tracker.track('counted', { n }, { user: 'ann' });",
        "everyMs: 60000",
    )
    assert [len(request.ids) for request in collector.requests] == [50, 50, 20]
    assert [event["properties"] for event in collector.events] == [{"n": n} for n in range(120)]


def test_what_is_not_taken_is_sent_again_with_the_same_ids(collector: Collector) -> None:
    collector.replies = [Reply(503, {"retry-after": "0"}, b"")]
    said = node(
        collector,
        """
        tracker.track("opened", {}, { user: "ann" });
        console.log(await tracker.flush(), await tracker.flush(), JSON.stringify(tracker.stats()));
        """,
    )
    first, second = collector.requests
    assert first.ids == second.ids
    assert said.startswith("false true")
    assert '"sent":1' in said
    assert '"failures":1' in said


def test_what_roost_never_takes_is_let_go(collector: Collector) -> None:
    collector.replies = [Reply(400, {}, b"{}")]
    said = node(
        collector,
        """
        tracker.track("bad");
        console.log(await tracker.flush(), tracker.stats().rejected, tracker.stats().waiting);
        """,
    )
    assert said == "true 1 0"


def test_a_batch_that_is_too_large_is_halved(collector: Collector) -> None:
    collector.replies = [Reply(413, {}, b"{}")]
    node(
        collector,
        "for (let n = 0; n < 5; n++) tracker.track('opened'); console.log(await tracker.flush());",
    )
    assert sorted(len(request.ids) for request in collector.requests) == [2, 3, 5]
    assert len({event["id"] for event in collector.events}) == 5


def test_a_full_queue_lets_the_oldest_go_and_counts_them(collector: Collector) -> None:
    said = node(
        collector,
        """
        for (let n = 0; n < 8; n++) tracker.track(`event ${n}`);
        await tracker.close();
        console.log(tracker.stats().dropped);
        """,
        "queueMax: 3",
    )
    assert [event["name"] for event in collector.events] == ["event 5", "event 6", "event 7"]
    assert said == "5"


def test_nothing_is_thrown_at_the_caller(collector: Collector) -> None:
    said = node(
        collector,
        """
        const circle = {}; circle.self = circle;
        tracker.track("circle", circle);
        tracker.track("big", { n: 10n });
        tracker.track("good", undefined, { user: "ann" });
        await tracker.close();
        tracker.track("late");
        console.log(tracker.stats().invalid);
        """,
    )
    assert said == "2"
    assert [event["name"] for event in collector.events] == ["good"]


def test_until_there_is_consent_nothing_is_sent_and_then_all_of_it(collector: Collector) -> None:
    said = node(
        collector,
        """
        tracker.track("early");
        console.log(await tracker.flush());
        tracker.consent(true);
        console.log(await tracker.flush());
        """,
        'consent: "pending"',
    )
    assert said.split() == ["false", "true"]
    assert [event["name"] for event in collector.events] == ["early"]


def test_a_refusal_forgets_what_waits(collector: Collector) -> None:
    node(
        collector,
        """
        tracker.track("early");
        tracker.consent(false);
        tracker.track("late");
        console.log(await tracker.flush());
        """,
        'consent: "pending"',
    )
    assert collector.events == []


def test_a_token_is_asked_for_each_time(collector: Collector) -> None:
    node(
        collector,
        """
        tracker.track("one"); await tracker.flush();
        tracker.track("two"); await tracker.flush();
        """,
        "getToken: async () => `token-${globalThis.n = (globalThis.n ?? 0) + 1}`",
    )
    sent = [request.headers["authorization"] for request in collector.requests]
    assert sent == ["Bearer token-1", "Bearer token-2"]
