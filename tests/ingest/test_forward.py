import pytest

from roost.errors import RoostError, Unavailable
from roost.ingest.decode import Encoding
from roost.ingest.forward import to_cell
from roost.ingest.intake import Prepared
from roost.model import TenantId

ACME = TenantId("t_acme")
BATCH = Prepared(payload=b"spans", accepted=1, rejected=(), encoding=Encoding.PROTOBUF)


class Cell:
    """A cell that answers with one status and keeps what it was sent."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.posts: list[tuple[TenantId, bytes]] = []

    async def post(self, tenant: TenantId, body: bytes) -> int:
        self.posts.append((tenant, body))
        return self.status


async def test_a_batch_that_the_cell_took_is_not_called_durable() -> None:
    cell = Cell(200)
    receipt = await to_cell(cell.post)(ACME, BATCH)
    assert cell.posts == [(ACME, b"spans")]
    assert not receipt.durable


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 502, 503, 504, 507])
async def test_what_may_pass_is_a_503_with_retry_after(status: int) -> None:
    with pytest.raises(Unavailable) as caught:
        await to_cell(Cell(status).post)(ACME, BATCH)
    assert caught.value.status == 503
    assert caught.value.retry_after_s > 0
    assert str(status) in caught.value.reason


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_what_would_be_refused_for_ever_is_not_tried_again(status: int) -> None:
    with pytest.raises(RoostError) as caught:
        await to_cell(Cell(status).post)(ACME, BATCH)
    assert caught.value.status not in {429, 502, 503, 504}
