import pytest

from roost.errors import RoostError, Unavailable
from roost.ingest.to_cell import to_cell
from roost.model import TenantId

ACME = TenantId("t_acme")
PAYLOADS = (b"spans", b"more")


class Cell:
    """A cell that answers with one status and keeps what it was sent."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.posts: list[tuple[TenantId, bytes]] = []

    async def post(self, tenant: TenantId, body: bytes) -> int:
        self.posts.append((tenant, body))
        return self.status


async def test_payloads_are_posted_in_their_order() -> None:
    cell = Cell(200)
    await to_cell(cell.post)(ACME, PAYLOADS)
    assert cell.posts == [(ACME, b"spans"), (ACME, b"more")]


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503, 504, 507])
async def test_what_may_pass_is_a_503_with_retry_after(status: int) -> None:
    with pytest.raises(Unavailable) as caught:
        await to_cell(Cell(status).post)(ACME, PAYLOADS)
    assert caught.value.status == 503
    assert caught.value.retry_after_s > 0
    assert str(status) in caught.value.reason


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_what_would_be_refused_for_ever_is_not_tried_again(status: int) -> None:
    with pytest.raises(RoostError) as caught:
        await to_cell(Cell(status).post)(ACME, PAYLOADS)
    assert caught.value.status not in {429, 502, 503, 504}
