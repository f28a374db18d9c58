"""How long the courier waits before it tries again, and what it logs."""

import logging

import pytest

from roost.analytics.courier import PAUSE_MAX_S, Courier
from roost.analytics.outbox import Outbox, Room, Waiting
from roost.analytics.post import Reply


class Unhurried(Outbox):
    """Notes the pauses in place of waiting, and closes after as many as it is told."""

    def __init__(self, pauses: int) -> None:
        super().__init__(Room(every_s=0))
        self.pauses: list[float] = []
        self._left = pauses

    def wait_for_close(self, timeout_s: float) -> None:
        self.pauses.append(timeout_s)
        if len(self.pauses) == self._left:
            self.close()


class Answers:
    """Gives the replies in order, the last one for ever; None is no answer."""

    def __init__(self, *replies: Reply | None) -> None:
        self._replies = list(replies)
        self.sent = 0

    def send(self, body: bytes) -> Reply:
        self.sent += 1
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if reply is None:
            raise ConnectionRefusedError
        return reply

    def close(self) -> None:
        """Nothing is open."""


def pauses(count: int, *replies: Reply | None, chance: float = 1.0) -> list[float]:
    """Those that it makes until it has made so many."""
    outbox = Unhurried(count)
    outbox.put(Waiting({"name": "opened"}, {}, 10))
    courier = Courier(outbox, Answers(*replies), "test", lambda: chance)
    courier.start()
    courier.join(10)
    assert len(outbox) == 0
    return outbox.pauses


def test_each_pause_is_twice_the_last_up_to_a_bound() -> None:
    made = pauses(10, None)
    assert made[:4] == [0.5, 1.0, 2.0, 4.0]
    assert made[-1] == PAUSE_MAX_S


def test_a_part_of_each_pause_is_chance() -> None:
    assert pauses(2, None, chance=0.0) == [0.25, 0.5]


def test_the_pause_that_an_answer_asks_for_is_made() -> None:
    assert pauses(2, Reply(429, b"", 7.0), Reply(503, b"", 9.0), chance=0.0) == [7.0, 9.0]


def test_an_answer_cannot_ask_for_ever() -> None:
    assert pauses(1, Reply(503, b"", 1e9), chance=0.0) == [300.0]


def test_a_server_that_is_down_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "roost.analytics")
    pauses(20, None)
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        "Roost does not answer",
        "1 events are lost: they could not be sent before the end",
    ]
