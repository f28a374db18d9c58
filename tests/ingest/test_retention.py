"""What is too old is deleted like everything else is: by a deletion."""

from collections.abc import Sequence

from roost.ingest.retention import DAY_S, Retention
from roost.log.records import Deletion

NOW = 100 * DAY_S


def retention(days: int, deleted: list[Deletion]) -> Retention:
    async def oldest() -> Sequence[tuple[str, float]]:
        return [("old", NOW - 31 * DAY_S), ("new", NOW - 29 * DAY_S)]

    async def delete(deletion: Deletion) -> None:
        deleted.append(deletion)

    return Retention(days, oldest, delete, lambda: NOW)


async def test_projects_with_older_traces_lose_those_alone() -> None:
    deleted: list[Deletion] = []
    assert await retention(30, deleted).run_once() == 1
    assert deleted == [Deletion(project="old", before=NOW - 30 * DAY_S, subject="retention")]


async def test_without_a_limit_everything_is_kept() -> None:
    deleted: list[Deletion] = []
    assert await retention(0, deleted).run_once() == 0
    assert deleted == []
