"""One trace as its spans make it, span by span in log order.

Rule: a state is a function of the spans that were counted and their order, never of how they were
cut into batches; a trace that lost a span is counted again from those that are left.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from roost.index.postings import Label, Posted, labels_of_span
from roost.index.schema import SPAN_BITS
from roost.index.words import NONE

ERROR = 2
UNKNOWN_COST = -1


class SpanRow(NamedTuple):
    """A row of `span`, its columns in order."""

    id: int
    span_id: int
    parent: int | None
    name: int
    kind: int
    status: int
    start: int
    end: int
    model: int
    provider: int
    user: int
    session: int
    prompt: int | None
    completion: int | None
    cached: int | None
    reasoning: int | None
    cost: int | None
    position: int | None
    ordinal: int


_NAME, _KIND, _STATUS = Posted.NAME.value, Posted.KIND.value, Posted.STATUS.value
_SESSION, _FAILED, _OWNER = Posted.SESSION.value, Posted.FAILED.value, Posted.OWNER.value
_labels = msgspec.json.Decoder(set[tuple[int, int]])

SPAN_COLUMNS = ", ".join(SpanRow._fields)


class TraceRecord(NamedTuple):
    """A row of `trace`, its columns in order."""

    id: int
    trace_id: bytes
    project: int
    session: int
    owner: int
    user: int
    several: int
    root: int
    rooted: int
    root_start: int
    name: str
    name_word: int
    kind: int
    status: int
    start: int
    end: int
    latency: int
    spans: int
    errors: int
    prompt: int
    completion: int
    tokens: int
    cost: int
    unpriced: int
    model: int
    provider: int
    kinds: int
    labels: str
    next_n: int
    changed: int


@dataclass(slots=True)
class TraceState:
    """`start` and `end` are None before the first span. `root` is the number of the span that
    stands for the trace: one without a parent, else any, the earliest, the first in the log."""

    id: int
    trace_id: bytes
    project: int
    session: int = NONE
    user: int = NONE
    several: int = 0
    root: int = -1
    rooted: int = 0
    root_start: int = 0
    name_word: int = NONE
    kind: int = 0
    status: int = 0
    start: int | None = None
    end: int = 0
    spans: int = 0
    errors: int = 0
    prompt: int = 0
    completion: int = 0
    cost: int | None = None
    unpriced: int = 0
    model: int = NONE
    provider: int = NONE
    kinds: int = 0
    next_n: int = 0
    labels: set[Label] = field(default_factory=set)
    _labelled: set[tuple[int, int, int, int]] = field(default_factory=set)
    """What of model, provider, user and kind came together already: most spans repeat it."""

    def next_id(self) -> int:
        """The row id of the span that comes next."""
        made = self.id << SPAN_BITS | self.next_n
        self.next_n += 1
        return made

    def stretch(self, start: int, end: int) -> None:
        """Repeats of a span do this as well, as in Phoenix."""
        self.start = start if self.start is None else min(self.start, start)
        self.end = max(self.end, end)

    def enter(self, session: int) -> None:
        """The first session that is named stays."""
        if session and not self.session:
            self.session = session

    def count(self, span: SpanRow) -> bool:
        """Takes the span in; whether it stands for the trace now."""
        self.stretch(span.start, span.end)
        self.enter(span.session)
        self.spans += 1
        self.errors += span.status == ERROR
        self.kinds |= 1 << span.kind
        if span.prompt is not None:
            self._count_call(span)
        if span.model and not self.model:
            self.model, self.provider = span.model, span.provider
        if span.user and span.user != self.user:
            self.several = int(self.user != NONE)
            self.user = self.user or span.user
        labelled = span.model, span.provider, span.user, span.kind
        if labelled not in self._labelled:
            self._labelled.add(labelled)
            self.labels.update(labels_of_span(*labelled))
        return self._consider(span)

    def _count_call(self, span: SpanRow) -> None:
        self.prompt += span.prompt or 0
        self.completion += span.completion or 0
        if span.cost is not None:
            self.cost = (self.cost or 0) + span.cost
        elif is_unpriced(span):
            self.unpriced += 1

    def _consider(self, span: SpanRow) -> bool:
        rooted = int(span.parent is None)
        if self.root >= 0 and (-rooted, span.start) >= (-self.rooted, self.root_start):
            return False
        self.root = span.id & ((1 << SPAN_BITS) - 1)
        self.rooted, self.root_start = rooted, span.start
        self.name_word, self.kind, self.status = span.name, span.kind, span.status
        return True

    def emptied(self) -> "TraceState":
        """The same trace before its first span; numbers that were given are not given again."""
        return TraceState(self.id, self.trace_id, self.project, next_n=self.next_n)

    def _more_labels(self) -> str:
        plain = set(_plain_labels(self.model, self.provider, self.user, self.kinds))
        return "" if plain == self.labels else msgspec.json.encode(sorted(self.labels)).decode()

    def record(self, name: str, changed: int) -> TraceRecord:
        start = self.start or 0
        return TraceRecord(
            self.id, self.trace_id, self.project, self.session, owner_of(self), self.user,
            self.several, self.root, self.rooted, self.root_start, name, self.name_word, self.kind,
            self.status, start, self.end, self.end - start, self.spans, self.errors, self.prompt,
            self.completion, self.prompt + self.completion,
            UNKNOWN_COST if self.cost is None else self.cost, self.unpriced, self.model,
            self.provider, self.kinds, self._more_labels(), self.next_n, changed,
        )  # fmt: skip


def state_of(record: TraceRecord) -> TraceState:
    return TraceState(
        id=record.id, trace_id=record.trace_id, project=record.project, session=record.session,
        user=record.user, several=record.several, root=record.root, rooted=record.rooted,
        root_start=record.root_start, name_word=record.name_word, kind=record.kind,
        status=record.status, start=record.start, end=record.end, spans=record.spans,
        errors=record.errors, prompt=record.prompt, completion=record.completion,
        cost=None if record.cost == UNKNOWN_COST else record.cost,
        unpriced=record.unpriced, model=record.model, provider=record.provider,
        kinds=record.kinds, next_n=record.next_n, labels=labels_of(record),
    )  # fmt: skip


def labels_of(record: TraceRecord) -> set[Label]:
    if record.labels:
        return _labels.decode(record.labels)
    return set(_plain_labels(record.model, record.provider, record.user, record.kinds))


def _plain_labels(model: int, provider: int, user: int, kinds: int) -> Iterator[Label]:
    for kind in range(kinds.bit_length()):
        if kinds >> kind & 1:
            yield from labels_of_span(model, provider, user, kind)


def owner_of(trace: TraceState | TraceRecord) -> int:
    return NONE if trace.several else trace.user


def is_unpriced(span: SpanRow) -> bool:
    """A call that used tokens and has no known price."""
    return span.cost is None and bool(span.prompt or span.completion)


def posted(trace: TraceRecord) -> Iterator[Label]:
    """All that the trace is found by."""
    yield from labels_of(trace)
    yield _NAME, trace.name_word
    yield _KIND, trace.kind
    yield _STATUS, trace.status
    if trace.session:
        yield _SESSION, trace.session
    if trace.errors:
        yield _FAILED, 1
    if trace.owner:
        yield _OWNER, trace.owner
