"""How much a log may keep.

Rule: a deletion is always taken, since it is what makes room.
"""

from collections.abc import Sequence

from roost.errors import Unavailable
from roost.log.base import Entry, Kind

_OVER_QUOTA = (
    "The log of this tenant is over its quota. Delete traces, keep them for less time, or ask the"
    " operator for more room."
)
_RETRY_S = 60


def refuse_over_quota(stored_bytes: int, quota_bytes: int, entries: Sequence[Entry]) -> None:
    """Unavailable (429) where something else than deletions comes; a quota of 0 is none."""
    if not quota_bytes or stored_bytes < quota_bytes:
        return
    if any(entry.kind is not Kind.DELETION for entry in entries):
        raise Unavailable(
            _OVER_QUOTA,
            reason=f"{stored_bytes} bytes of {quota_bytes} are taken",
            retry_after_s=_RETRY_S,
            status=429,
        )
