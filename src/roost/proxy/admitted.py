"""The pass: the only thing the upstream sends. Only `http/gate.py` makes one."""

from collections.abc import Mapping
from dataclasses import dataclass

from roost.model import CellRoute, Principal
from roost.policy.decision import Allow


@dataclass(frozen=True, slots=True)
class Admitted:
    """A judged call. `path` and `query` are serialised from what was judged, never the raw input;
    `path` is the cell's own (without any prefix); `headers` are the caller's, still to be cleaned;
    `mount` is the URL prefix that the cell's root has for the browser."""

    principal: Principal
    allow: Allow
    route: CellRoute
    method: str
    path: str
    query: str
    headers: tuple[tuple[bytes, bytes], ...]
    mount: str
    body: bytes | None = None
    """Judged and serialised anew (GraphQL, OTLP), or None: the caller's body is streamed."""
    set_headers: Mapping[str, str] | None = None
    """Headers that the decision itself sets (`content-type` of a serialised body)."""
    root: str = ""
    """The path prefix that the cell itself knows it has, and puts before where it redirects to."""
