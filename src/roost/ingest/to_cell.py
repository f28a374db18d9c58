"""Today's sink: straight into the tenant's cell. The durable log takes this seam.

Rule: an exporter tries again after 429, 502, 503 and 504 alone, so whatever may pass becomes
Unavailable (503 with Retry-After), and only what would be refused for ever becomes another error.
"""

from collections.abc import Awaitable, Callable

from roost.errors import RoostError, Unavailable
from roost.ingest.intake import Sink
from roost.model import TenantId

RETRY_AFTER_S = 5
"""Phoenix's full queue of 20,000 spans shrinks by about 150 spans a second."""

_FOR_EVER = frozenset({400, 413, 415, 422})

Post = Callable[[TenantId, bytes], Awaitable[int]]
"""Posts serialised protobuf to that tenant's cell at /v1/traces (content-type
application/x-protobuf, no x-project-name, no content-encoding), waking it first; returns the
status. Raises Unavailable where the cell cannot be woken or reached."""


def to_cell(post: Post) -> Sink:
    """A sink that has taken payloads once the cell has answered 200 to each. That is not durable:
    the cell holds spans in memory until they are inserted."""

    async def sink(tenant: TenantId, payloads: tuple[bytes, ...]) -> None:
        for payload in payloads:
            judge_status(await post(tenant, payload))

    return sink


def judge_status(status: int) -> None:
    """Raises what a cell's answer to /v1/traces or /v1/projects/*/spans means for the exporter."""
    if 200 <= status < 300:
        return
    if status in _FOR_EVER:
        raise RoostError("Phoenix refused the batch", reason=f"the cell answered {status}")
    raise Unavailable(
        "Phoenix takes no spans just now; the exporter will send them again",
        reason=f"the cell answered {status}",
        retry_after_s=RETRY_AFTER_S,
    )
