"""One backlog for all is what a bounded queue for each would be."""

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from roost.live.backlog import Backlog, Told
from roost.live.frames import Frame

LIMIT = 4
TRACES = st.sampled_from("abcdefgh")


class OwnQueue:
    """A watcher's queue as one would write it for each: the measure of the shared one."""

    def __init__(self) -> None:
        self.waiting: OrderedDict[str, int] = OrderedDict()
        self.dropped = self.replaced = self.read = self.put_in = 0

    def put(self, trace_id: str, number: int) -> None:
        self.put_in += 1
        self.replaced += self.waiting.pop(trace_id, None) is not None
        self.waiting[trace_id] = number
        if len(self.waiting) > LIMIT:
            self.waiting.popitem(last=False)
            self.dropped += 1

    def take(self) -> list[tuple[str, int]]:
        taken = list(self.waiting.items())
        self.waiting.clear()
        self.read += len(taken)
        return taken


def told(trace_id: str, number: int) -> Told:
    return Told(trace_id, number, Frame("upsert"))


# A trace that changes, or one of three watchers who read.
steps = st.lists(TRACES | st.integers(0, 2), max_size=120)


@given(steps)
def test_each_reads_what_a_queue_of_its_own_would_hold(steps: list[str | int]) -> None:
    backlog, queues, marks = Backlog(LIMIT), [OwnQueue() for _ in range(3)], [0, 0, 0]
    dropped = [0, 0, 0]
    for number, step in enumerate([*steps, 0, 1, 2], start=1):
        if isinstance(step, str):
            backlog.put(told(step, number))
            for queue in queues:
                queue.put(step, number)
        else:
            lost, fresh = backlog.after(marks[step])
            marks[step] = backlog.last
            dropped[step] += lost
            assert [(one.trace_id, one.position) for one in fresh] == queues[step].take()
            assert dropped[step] == queues[step].dropped
    for queue in queues:
        assert queue.put_in == queue.read + queue.replaced + queue.dropped


@given(steps)
def test_the_last_state_of_a_trace_is_read_or_counted_as_lost(steps: list[str | int]) -> None:
    backlog, mark = Backlog(LIMIT), 0
    newest: dict[str, int] = {}
    known: dict[str, int] = {}
    for number, step in enumerate(steps, start=1):
        if isinstance(step, str):
            backlog.put(told(step, number))
            newest[step] = number
    lost, fresh = backlog.after(mark)
    known.update({one.trace_id: one.position for one in fresh})
    missing = {trace for trace in newest if known.get(trace) != newest[trace]}
    assert lost >= len(missing)
    assert lost or not missing


def test_it_never_holds_more_than_its_limit() -> None:
    backlog = Backlog(LIMIT)
    for number in range(1, 1001):
        backlog.put(told(f"t{number}", number))
    assert len(backlog) == LIMIT
    assert backlog.after(0)[0] == 1000 - LIMIT


def test_what_all_have_read_is_forgotten_and_numbers_go_on() -> None:
    backlog = Backlog(LIMIT)
    backlog.put(told("a", 1))
    mark = backlog.last
    backlog.forget()
    backlog.put(told("b", 2))
    assert [one.trace_id for one in backlog.after(mark)[1]] == ["b"]
