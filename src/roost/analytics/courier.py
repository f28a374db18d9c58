"""The thread that carries events from the outbox to Roost.

Rule 1: a batch is tried again, with the same ids, until it is answered or the tracker is closed;
only what Roost will never take is let go. Rule 2: whatever happens here, the host's own threads do
not feel it; what is lost is counted, and logged at most once a minute.
"""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from roost.analytics.outbox import Outbox, Waiting
from roost.analytics.post import FAILURES, Reply
from roost.analytics.wire import Written, body_of, write

PAUSE_FIRST_S = 0.5
PAUSE_MAX_S = 60.0
RETRY_AFTER_MAX_S = 300.0
LOG_EVERY_S = 60.0
_NEVER = frozenset({400, 415, 422})
_TOO_LARGE = 413

log = logging.getLogger("roost.analytics")


class Sending(Protocol):
    def send(self, body: bytes) -> Reply: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Counts:
    """What became of events so far. `rejected` are those that Roost will not take, `lost` those
    that could not be sent before the end."""

    sent: int = 0
    duplicate: int = 0
    withheld: int = 0
    rejected: int = 0
    invalid: int = 0
    lost: int = 0
    failures: int = 0


class Courier:
    """Started by the first event of a process; ends when the outbox is closed and empty."""

    def __init__(
        self, outbox: Outbox, post: Sending, library: str, chance: Callable[[], float]
    ) -> None:
        self._outbox = outbox
        self._post = post
        self._library = library
        self._chance = chance
        self._logged_at = float("-inf")
        self._dropped = 0
        self.counts = Counts()
        self._thread = threading.Thread(target=self._run, name="roost-analytics", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def abandon(self) -> None:
        """In a fork's child, where the thread is not: let go of its connection."""
        self._post.close()

    def _run(self) -> None:
        while batch := self._outbox.take():
            try:
                self._carry(batch)
            except Exception:  # the supervisor: the host's events go on after any fault of ours
                log.exception("sending events failed")
                self.counts.lost += len(batch)
            finally:
                self._outbox.done()
        self._post.close()

    def _carry(self, batch: Sequence[Waiting]) -> None:
        self._tell_dropped()
        written = write(batch)
        self.counts.invalid += written.invalid
        if written.events or written.consents:
            self._deliver(written)

    def _deliver(self, batch: Written) -> None:
        """Until it is answered; once the outbox is closing, one last time."""
        failures = 0
        while True:
            is_last = self._outbox.is_closing
            reply = self._try(batch)
            if reply is not None and self._settles(reply, batch):
                return
            if is_last:
                self._lose(batch)
                return
            failures += 1
            self._outbox.wait_for_close(self._pause_s(reply, failures))

    def _try(self, batch: Written) -> Reply | None:
        try:
            reply = self._post.send(body_of(batch, self._library, time.time()))
        except FAILURES as error:
            self.counts.failures += 1
            self._log(f"Roost does not answer ({type(error).__name__}: {error}); trying again")
            return None
        if reply.status >= 300:
            self.counts.failures += 1
        return reply

    def _settles(self, reply: Reply, batch: Written) -> bool:
        """Whether nothing is left to be sent again."""
        if 200 <= reply.status < 300:
            self._count(reply.body)
            return True
        if reply.status == _TOO_LARGE and len(batch.events) > 1:
            half = len(batch.events) // 2
            self._deliver(Written(batch.events[:half], batch.consents, 0))
            self._deliver(Written(batch.events[half:], (), 0))
            return True
        if reply.status in _NEVER or reply.status == _TOO_LARGE:
            count = len(batch.events)
            self.counts.rejected += count
            self._log(f"Roost took none of {count} events ({reply.status}): {_detail(reply)}")
            return True
        self._log(f"Roost takes no events now ({reply.status}: {_detail(reply)}); trying again")
        return False

    def _count(self, body: bytes) -> None:
        answer = _object(body)
        accepted, duplicate, withheld, rejected = (
            _list(answer, name) for name in ("accepted", "duplicate", "withheld", "rejected")
        )
        self.counts.sent += len(accepted)
        self.counts.duplicate += len(duplicate)
        self.counts.withheld += len(withheld)
        self.counts.rejected += len(rejected)
        if rejected:
            self._log(f"Roost rejected {len(rejected)} events; the first: {rejected[0]}")

    def _pause_s(self, reply: Reply | None, failures: int) -> float:
        """What the answer asks for, else twice as long each time; a part of it by chance, so that
        many hosts do not come back at once."""
        if reply is not None and reply.retry_after_s is not None:
            return min(reply.retry_after_s, RETRY_AFTER_MAX_S) + self._chance() * PAUSE_FIRST_S
        pause_s = min(PAUSE_MAX_S, PAUSE_FIRST_S * (1 << min(failures - 1, 10)))
        return pause_s * (0.5 + self._chance() / 2)

    def _lose(self, batch: Written) -> None:
        self.counts.lost += len(batch.events)
        log.warning("%s events are lost: they could not be sent before the end", len(batch.events))

    def _tell_dropped(self) -> None:
        dropped = self._outbox.dropped
        if dropped > self._dropped and self._log(
            f"{dropped - self._dropped} events were dropped, the oldest first: the queue was full"
        ):
            self._dropped = dropped

    def _log(self, message: str) -> bool:
        """Whether it was its turn."""
        now = time.monotonic()
        if now - self._logged_at < LOG_EVERY_S:
            return False
        self._logged_at = now
        log.warning("%s", message)
        return True


def chance() -> float:
    """0 to 1. Not a secret."""
    return random.random()  # noqa: S311


def _detail(reply: Reply) -> str:
    detail = _object(reply.body).get("detail")
    return str(detail)[:200] if detail else "no reason given"


def _object(body: bytes) -> dict[str, object]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _list(answer: dict[str, object], name: str) -> list[object]:
    found = answer.get(name)
    return found if isinstance(found, list) else []
