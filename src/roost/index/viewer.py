"""Whose eyes a query answers for.

Rule 1: every query takes a Viewer, and none has a default. Rule 2: a viewer is part of what is
asked of the database, never a sieve behind it: counts, facets and cursors are those of a home that
holds nothing but what the viewer may see.
"""

from dataclasses import dataclass

from roost.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Everything:
    """Members of the tenant: every trace."""


@dataclass(frozen=True, slots=True)
class OwnTraces:
    """An end user: the traces of which at least one span carries `user.id`, and every span that
    carries one carries theirs."""

    user_id: str

    def __post_init__(self) -> None:
        if not self.user_id:
            raise NotAllowed("your sign-in names no user id, so no trace is yours")


Viewer = Everything | OwnTraces
EVERYTHING = Everything()
