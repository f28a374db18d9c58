"""Exporters for the soak: what is not answered with 200 is sent again until it is.

Rule: a batch is one of these: new spans, cut anywhere through traces; a copy of an earlier batch;
late copies of a trace that is deleted.
"""

import asyncio
import gzip
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import aiohttp
from bench.soak_book import Book
from bench.traces import Traces, request
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRY_S = 20.0
DELETE_S = 150.0
LONGEST_PAUSE_S = 1.0
REMEMBERED = 200
COPIES, LATE, PACKED = 0.1, 0.05, 0.5
"""Shares of batches that are sent twice, that come too late, that are gzip."""

Batch = Sequence[Span]


@dataclass(slots=True)
class Tally:
    """Of one round. `answered` is when a batch that was begun after the kill was acknowledged."""

    spans: int = 0
    killed_at: float = 0.0
    answered: float = 0.0
    odd: dict[int, int] = field(default_factory=dict)
    """Answers that an exporter would not repeat; none is expected."""

    def note(self, began: float, new: int) -> None:
        self.spans += new
        if self.killed_at and not self.answered and began > self.killed_at:
            self.answered = time.monotonic()

    @property
    def outage_s(self) -> float:
        return self.answered - self.killed_at


@dataclass(slots=True)
class Exporters:
    """`base` is Roost's URL, `key` may send spans and delete."""

    base: str
    key: str
    book: Book
    session: aiohttp.ClientSession
    draw: random.Random
    traces: Traces
    tally: Tally = field(default_factory=Tally)
    _recent: deque[Batch] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _whole: deque[Batch] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _gone: deque[Batch] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _deletions: set["asyncio.Task[None]"] = field(default_factory=set)
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _on_the_way: int = 0

    def go(self) -> None:
        """All that `send_on` send."""
        self._go.set()

    def pause(self) -> None:
        """No batch is begun until `go`."""
        self._go.clear()

    async def rest(self, within_s: float) -> None:
        """Pause, and return once each batch that was begun is acknowledged."""
        self.pause()
        deadline = time.monotonic() + within_s
        while self._on_the_way:
            if time.monotonic() > deadline:
                raise TimeoutError(f"a batch was not acknowledged in {within_s:.0f} s")
            await asyncio.sleep(0.05)

    async def send_on(self, pause_s: float) -> None:
        """For ever: batch after batch, `pause_s` between two of them on average."""
        fresh = self._fresh()
        while True:
            await self._go.wait()
            self._on_the_way += 1
            await self._send(self._next(fresh))
            self._on_the_way -= 1
            await asyncio.sleep(self.draw.uniform(0, 2 * pause_s))

    def delete_one(self) -> None:
        """Begin to delete a trace: of the older half, since the newest are on their way."""
        if len(self._whole) > REMEMBERED // 2:
            at = self.draw.randrange(len(self._whole) // 2)
            spans = self._whole[at]
            del self._whole[at]
            self.book.deleting(spans[0].trace_id.hex())
            self._begin(spans[0].trace_id.hex(), spans)

    def resume_deletions(self) -> None:
        for trace in self.book.being_deleted():
            self._begin(trace, ())

    async def deletions(self, within_s: float) -> None:
        """Returns once each has been answered."""
        if self._deletions:
            _, late = await asyncio.wait(self._deletions, timeout=within_s)
            if late:
                raise TimeoutError(f"{len(late)} deletions without an answer in {within_s:.0f} s")

    async def aclose(self) -> None:
        for task in self._deletions:
            task.cancel()
        await asyncio.gather(*self._deletions, return_exceptions=True)

    def _begin(self, trace: str, spans: Batch) -> None:
        task = asyncio.create_task(self._delete(trace, spans))
        self._deletions.add(task)
        task.add_done_callback(self._deletions.discard)

    async def _delete(self, trace: str, spans: Batch) -> None:
        timeout = aiohttp.ClientTimeout(total=DELETE_S)
        while True:
            try:
                url = f"{self.base}/v1/traces/{trace}"
                async with self.session.delete(
                    url, headers=self._headers, timeout=timeout
                ) as answer:
                    if answer.status in (204, 404):
                        break
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(LONGEST_PAUSE_S)
        self.book.deleted(trace)
        if spans:
            self._gone.append(spans)

    @property
    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def _fresh(self) -> Iterator[Span]:
        """Spans of new traces without end."""
        while True:
            _, spans = self.traces.one()
            yield from spans
            self._whole.append(spans)

    def _next(self, fresh: Iterator[Span]) -> Batch:
        chance = self.draw.random()
        if chance < LATE and self._gone:
            return self.draw.choice(self._gone)
        if chance < LATE + COPIES and self._recent:
            return self.draw.choice(self._recent)
        batch = list(islice(fresh, self.draw.randint(10, 60)))
        self._recent.append(batch)
        return batch

    async def _send(self, batch: Batch) -> None:
        self.book.sending(batch)
        body, headers = self._packed(request({"default": list(batch)}))
        timeout = aiohttp.ClientTimeout(total=TRY_S)
        while True:
            began = time.monotonic()
            status, pause_s = 0, LONGEST_PAUSE_S
            try:
                async with self.session.post(
                    f"{self.base}/v1/traces", data=body, headers=headers, timeout=timeout
                ) as answer:
                    status = answer.status
                    pause_s = float(answer.headers.get("retry-after", pause_s))
                    await answer.read()
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            if status == 200:
                self.tally.note(began, self.book.acknowledged(batch))
                return
            if status not in (0, 429, 502, 503, 504):
                self.tally.odd[status] = self.tally.odd.get(status, 0) + 1
            await asyncio.sleep(self.draw.uniform(0.05, min(pause_s, LONGEST_PAUSE_S)))

    def _packed(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        headers = {**self._headers, "content-type": "application/x-protobuf"}
        if self.draw.random() < PACKED:
            return gzip.compress(body, 1), {**headers, "content-encoding": "gzip"}
        return body, headers
