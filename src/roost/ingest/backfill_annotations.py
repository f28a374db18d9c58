"""Annotations of another Phoenix, as Roost's own service writes them. Pure.

Rule: who had written one is shown and never believed: it has no subject here, and what its metadata
says of Roost's subjects is dropped, since in a tenant's Phoenix only the service's word counts.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from roost.ingest.annotations import RESERVED
from roost.log.records import Annotation

NOTE = "imported-note"
"""Phoenix keeps the name `note` for itself."""
OWN = "roost."
_OF_A_USER = "px-app:"
"""Phoenix's UI marks a user's annotation by the user's row; here that row is somebody else."""


class Result(Struct, frozen=True):
    label: str | None = None
    score: float | None = None
    explanation: str | None = None


class Written(Struct, frozen=True, kw_only=True):
    """One as Phoenix's REST lists it."""

    name: str
    annotator_kind: str
    result: Result | None = None
    metadata: dict[str, Any] | None = None
    identifier: str | None = ""
    user_id: str | None = None


def imported(of: str, target: str, one: Written, author: str) -> Annotation:
    """
    >>> one = Written(name="note", annotator_kind="HUMAN", metadata={"roost.subject": "bob"})
    >>> said = imported("span", "B1", one, "Ann")
    >>> said.name, said.target, said.subject_name, said.metadata
    ('imported-note', 'b1', 'Ann', {'roost.subject': '', 'roost.subject_name': 'Ann'})
    """
    result = one.result or Result()
    metadata = _metadata(one.metadata or {}, author)
    identifier = one.identifier or ""
    return Annotation(
        of=of,
        target=target if of == "session" else target.lower(),
        name=NOTE if one.name == RESERVED else one.name,
        annotator_kind=one.annotator_kind,
        label=result.label,
        score=result.score,
        explanation=result.explanation,
        identifier=f"imported:{identifier}" if identifier.startswith(_OF_A_USER) else identifier,
        metadata=metadata or None,
        subject_name=author,
    )


def _metadata(metadata: Mapping[str, object], author: str) -> dict[str, object]:
    kept = {name: value for name, value in metadata.items() if not name.startswith(OWN)}
    if author:
        kept |= {"roost.subject": "", "roost.subject_name": author}
    return kept
