"""What a decision is: a value with a reason.

Rule: what comes back is decided with what goes in. A row of a table carries the treatment of the
answer, and the row travels with the call, so the answer's rule is never looked up again.
"""

from dataclasses import dataclass
from enum import StrEnum

from roost.model import Role


class Treatment(StrEnum):
    """How an answer is handled on its way to the caller."""

    PRIVATE = "private"
    """Streamed as it is, `Cache-Control: private, no-store`."""
    STREAM = "stream"
    """The same for event streams: `no-transform` too, no read timeout."""
    PAGE = "page"
    """Phoenix's HTML page: a policy with hashes, `frame-ancestors`, Roost's script in its head."""
    ASSET = "asset"
    """Hashed and immutable: `private, max-age=31536000, immutable`. Not public: a shared cache
    would tell by it which tenants there are."""


@dataclass(frozen=True, slots=True)
class Allow:
    """`needs` is the lowest role that may; `changes` says that data changes (unsafe, audited);
    `heavy` that the call takes one of the cell's few slots for costly queries;
    `reconcile` that traces change behind the log's back."""

    treatment: Treatment
    needs: Role
    changes: bool = False
    heavy: bool = False
    reconcile: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """`reason` is for the log and `roost explain`. `pointer` is safe to show: what to use instead,
    and turns the 404 into a 403 for callers of that tenant."""

    reason: str
    pointer: str = ""


Decision = Allow | Refuse
