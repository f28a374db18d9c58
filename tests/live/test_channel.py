"""Whoever applies what they are told holds the truth, whatever happens between."""

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.live.home import ACME, KEY, Home
from tests.live.test_hub import World, world

from roost.live.changes import Missed, Place, Topic, Upsert, seen
from roost.live.channel import Channel, Pulse, Watcher
from roost.live.tokens import Seal

DEADLINE_S = 5.0
LIMIT = 3
TRACES = st.sampled_from(["t1", "t2", "t3", "t4", "t5"])
USERS = st.sampled_from([None, "ann", "bob"])
PROJECTS = {"t5": "other"}


@dataclass
class Client:
    """What a page does with frames."""

    topic: Topic
    home: Home
    rows: dict[str, object] = field(default_factory=dict)
    last_id: str = ""

    def load(self) -> None:
        self.rows = truth(self.home, self.topic)

    def take(self, text: str) -> None:
        said = json.loads(text)
        match said["type"]:
            case "upsert":
                self.rows[said["trace"]["id"]] = said["trace"]
            case "remove":
                self.rows.pop(said["trace_id"], None)
            case "missed" | "reset":
                self.load()
        self.last_id = said.get("id", self.last_id)


def truth(home: Home, topic: Topic) -> dict[str, object]:
    changes = [home.change(trace_id, ()) for trace_id in home.traces]
    deltas = [delta for change in changes if (delta := seen(change, topic)) is not None]
    return {delta.trace_id: json.loads(delta.row) for delta in deltas if isinstance(delta, Upsert)}


Step = list[tuple[str, str | None]] | tuple[str, str]
steps = st.lists(
    st.lists(st.tuples(TRACES, USERS), min_size=1, max_size=5)
    | st.tuples(st.sampled_from(["delete", "amend"]), TRACES)
    | st.sampled_from(["read", "read half", "come back", "restart the keeper", "let it flow"]),
    max_size=40,
)


async def follow(at: World, client: Client, actions: list[Step | str]) -> None:
    """All of it in one connection after another; at the end the client must hold the truth."""
    rounds: list[list[Step | str]] = [[]]
    for action in actions:
        rounds[-1].append(action)
        if action in ("come back", "read half"):
            rounds.append([])
    for number, left in enumerate(rounds):
        async with at.hub.watching(client.topic) as watcher:
            client.take(watcher.hello(resuming=number > 0).text)
            if number:
                watcher.resume(client.last_id)
            else:
                client.load()
            for action in left:
                await act(at, client, watcher, action)
            if left is rounds[-1]:
                await settle(client, watcher)


async def act(at: World, client: Client, watcher: Watcher, action: Step | str) -> None:
    if isinstance(action, list):
        at.acme.record(*((name, user, PROJECTS.get(name, "default")) for name, user in action))
    elif isinstance(action, tuple):
        kind, trace_id = action
        if trace_id in at.acme.traces and not at.acme.traces[trace_id].gone:
            (at.acme.delete if kind == "delete" else at.acme.amend)(trace_id)
    elif action == "restart the keeper":
        at.restart_keeper()
    elif action in ("read", "read half"):
        await read_some(client, watcher, half=action == "read half")
    else:
        for _ in range(10):
            await asyncio.sleep(0)


async def read_some(client: Client, watcher: Watcher, *, half: bool) -> None:
    """One delivery where there is one; of `half`, as when the connection is lost in it."""
    try:
        async with asyncio.timeout(0.002):
            told = await watcher.next()
    except TimeoutError:
        return
    for frame in told[: (len(told) + 1) // 2] if half else told:
        client.take(frame.text)


async def settle(client: Client, watcher: Watcher) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while client.rows != truth(client.home, client.topic):
            for frame in await watcher.next():
                client.take(frame.text)


@pytest.mark.parametrize(
    "topic",
    [Topic(ACME), Topic(ACME, "default"), Topic(ACME, user="ann"), Topic(ACME, "other", "ann")],
    ids=str,
)
@settings(max_examples=40, deadline=None)
@given(actions=steps)
@example(actions=[[("t1", "ann"), ("t2", "ann")], "let it flow", "read half"])
@example(actions=[[("t1", "ann")], "let it flow", "read", ("amend", "t1"), "come back"])
def test_a_client_holds_the_truth_in_the_end(topic: Topic, actions: list[Step | str]) -> None:
    async def run() -> None:
        async with world(Pulse(heartbeat_s=0.05, pace_s=0.0), backlog_max=LIMIT) as at:
            await follow(at, Client(topic, at.acme), actions)

    asyncio.run(run())


class OwnQueue(OrderedDict[str, int]):
    dropped = 0

    def offer(self, trace_id: str, position: int) -> None:
        self.pop(trace_id, None)
        self[trace_id] = position
        if len(self) > LIMIT:
            self.popitem(last=False)
            self.dropped += 1

    def take(self) -> tuple[int, list[int]]:
        taken = self.dropped, list(self.values())
        self.clear()
        self.dropped = 0
        return taken


@given(st.lists(TRACES | st.integers(0, 3) | st.sampled_from(["join", "leave"]), max_size=80))
def test_watchers_that_come_and_go_read_what_came_while_they_were_there(
    actions: list[str | int],
) -> None:
    async def since(topic: Topic, place: Place, limit: int) -> Missed | None:
        return None

    async def run() -> None:
        channel = Channel(Topic(ACME), Seal(KEY), lambda: Place("e", 0), LIMIT)
        there: list[tuple[Watcher, OwnQueue]] = []
        for position, action in enumerate(actions, start=1):
            if action == "join":
                watcher = Watcher(channel, since, Pulse())
                channel.join(watcher)
                there.append((watcher, OwnQueue()))
            elif action == "leave":
                if there:
                    channel.leave(there.pop(0)[0])
            elif isinstance(action, int):
                if action < len(there):
                    watcher, queue = there[action]
                    lost, fresh = channel.read(watcher)
                    assert (lost, [one.position for one in fresh]) == queue.take()
            elif there:
                channel.offer(Upsert(action, position, b"{}"))
                for _, queue in there:
                    queue.offer(action, position)
            if not any(queue for _, queue in there):
                assert channel.kept == 0

    asyncio.run(run())
