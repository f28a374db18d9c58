"""`Analytics`: what a host calls to say that something happened.

Rule 1: `track` costs its caller microseconds, waits for nothing and raises nothing. Rule 2: it uses
the standard library alone and no state but its own, so that it is light in any process. Rule 3: a
process that is forked sends its own events and never those of its parent.
"""

import asyncio
import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version

from roost.analytics.courier import Counts, Courier, chance
from roost.analytics.event_id import new_event_id
from roost.analytics.outbox import Outbox, Room, Waiting
from roost.analytics.post import Post
from roost.analytics.wire import UNWRITABLE, hold

EXIT_TIMEOUT_S = 2.0
CONSENT_SIZE = 300

log = logging.getLogger("roost.analytics")


@dataclass(frozen=True, slots=True)
class Stats:
    """What became of this process's events. `waiting` are not sent yet, `dropped` had to make room,
    `invalid` could not be written as JSON; the rest as `Counts` says."""

    waiting: int
    sent: int
    duplicate: int
    withheld: int
    rejected: int
    dropped: int
    invalid: int
    lost: int
    failures: int


class Analytics:
    """Sends events to the Roost at `url` (`https://app.example.com/api/phoenix`), with a key whose
    scope is `ingest`. One for the whole process; safe in threads, event loops and forked workers.

    What is tracked waits in memory, `room` of it, and is sent in batches from a thread of its own.
    At the end of the program what is left is sent for at most two seconds; `close` or `flush` wait
    longer. Processes that end by `os._exit`, as those of `multiprocessing` do, call them.
    """

    def __init__(
        self, url: str, key: str, *, room: Room | None = None, timeout_s: float = 10.0
    ) -> None:
        Post(url, key, timeout_s)  # Says at once what is wrong with the URL.
        self._post_to = (url, key, timeout_s)
        self._room = room or Room()
        self._library = f"roost-python/{version('roost')}"
        self._begin()
        me = weakref.ref(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=lambda: _in_child(me()))
        atexit.register(self._at_exit)

    def _begin(self) -> None:
        """What belongs to one process."""
        self._outbox = Outbox(self._room)
        self._starting = threading.Lock()
        self._courier: Courier | None = None
        self._invalid = 0
        self._closed = False
        self._process_id = new_event_id(time.time_ns() // 1_000_000)

    def track(
        self,
        name: str,
        properties: Mapping[str, object] | None = None,
        *,
        user: str | None = None,
        anonymous_id: str | None = None,
        time: float | None = None,
    ) -> None:
        """`name` happened, to `user` (the id by which the host's sign-in knows them) or to somebody
        who has not signed in. `properties` may hold what JSON can, dates, UUIDs and decimals; they
        are read now, so changing them later changes nothing. `time` is in seconds since the epoch.
        """
        fields: dict[str, object] = {"name": name, "time": _now() if time is None else time}
        if user is not None:
            fields["user"] = user
        if anonymous_id is not None:
            fields["anonymous_id"] = anonymous_id
        elif user is None:
            fields["anonymous_id"] = self._process_id
        try:
            waiting = hold(fields, properties or {})
        except UNWRITABLE:
            self._invalid += 1
            return
        self._put(waiting)

    def consent(
        self, granted: bool, *, user: str | None = None, anonymous_id: str | None = None
    ) -> None:
        """Somebody agreed to be counted, or refused; their newest word counts."""
        said = {"granted": granted, "time": _now(), "user": user, "anonymous_id": anonymous_id}
        self._put(Waiting(said, None, CONSENT_SIZE))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Send what waits, now; whether all of it was answered in time."""
        return self._outbox.empty(timeout_s)

    def close(self, timeout_s: float = 10.0) -> None:
        """Send what waits and end; what is tracked afterwards is dropped."""
        self._closed = True
        atexit.unregister(self._at_exit)
        self._outbox.close()
        if self._courier is not None:
            self._courier.join(timeout_s)
        if left := len(self._outbox):
            log.warning("%s events are lost: they could not be sent before the end", left)

    async def aflush(self, timeout_s: float = 10.0) -> bool:
        """`flush`, beside the event loop."""
        return await asyncio.to_thread(self.flush, timeout_s)

    async def aclose(self, timeout_s: float = 10.0) -> None:
        """`close`, beside the event loop."""
        await asyncio.to_thread(self.close, timeout_s)

    def __enter__(self) -> "Analytics":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> "Analytics":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def stats(self) -> Stats:
        counts = Counts() if self._courier is None else self._courier.counts
        return Stats(
            waiting=len(self._outbox),
            sent=counts.sent,
            duplicate=counts.duplicate,
            withheld=counts.withheld,
            rejected=counts.rejected,
            dropped=self._outbox.dropped,
            invalid=self._invalid + counts.invalid,
            lost=counts.lost,
            failures=counts.failures,
        )

    def _put(self, waiting: Waiting) -> None:
        if self._closed:
            self._outbox.dropped += 1
            return
        self._outbox.put(waiting)
        if self._courier is None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._courier is None:
                courier = Courier(self._outbox, Post(*self._post_to), self._library, chance)
                courier.start()
                self._courier = courier

    def _at_exit(self) -> None:
        self.close(EXIT_TIMEOUT_S)

    def _after_fork(self) -> None:
        """The parent keeps what waits; its thread, its locks and its connection are not ours."""
        if self._courier is not None:
            self._courier.abandon()
        self._begin()


def _in_child(one: Analytics | None) -> None:
    if one is not None:
        one._after_fork()


def _now() -> float:
    return time.time_ns() // 1_000_000 / 1000
