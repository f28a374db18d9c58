"""The queue in memory: bounded whatever comes, in order, and nobody waits to put."""

from hypothesis import given
from hypothesis import strategies as st

from roost.analytics.outbox import BATCH_BYTES_MAX, Outbox, Room, Waiting


def waiting(size: int, number: int = 0) -> Waiting:
    return Waiting({"number": number}, {}, size)


@given(
    st.lists(st.integers(1, 400), max_size=60),
    st.integers(1, 20),
    st.integers(1, 1000),
    st.integers(1, 7),
)
def test_it_keeps_the_newest_within_its_bounds(
    sizes: list[int], count: int, bytes_max: int, batch: int
) -> None:
    outbox = Outbox(Room(count, bytes_max, batch, every_s=0))
    for number, size in enumerate(sizes):
        outbox.put(waiting(size, number))
    left = len(outbox)
    assert left <= count
    assert left + outbox.dropped == len(sizes)
    outbox.close()
    taken: list[Waiting] = []
    while part := outbox.take():
        assert len(part) <= batch
        taken += part
        outbox.done()
    assert sum(one.size for one in taken) <= bytes_max
    newest = list(range(len(sizes)))[len(sizes) - left :]
    assert [one.fields["number"] for one in taken] == newest


def test_a_batch_is_cut_by_its_bytes_but_holds_one_at_least() -> None:
    outbox = Outbox(Room())
    for _ in range(3):
        outbox.put(waiting(BATCH_BYTES_MAX * 2 // 3))
    outbox.put(waiting(BATCH_BYTES_MAX * 2))
    outbox.close()
    assert [len(outbox.take()) for _ in range(5)] == [1, 1, 1, 1, 0]


def test_what_was_taken_still_waits_until_it_is_done() -> None:
    outbox = Outbox(Room(every_s=0))
    outbox.put(waiting(1))
    outbox.take()
    assert not outbox.empty(0)
    outbox.done()
    assert outbox.empty(0)
