"""Whose eyes a call to Roost's own API sees with: decided here, and nowhere else.

Rule: what is not an end user with a user id and not a viewer or more sees nothing.
"""

from collections.abc import Callable, Mapping

from roost.errors import NotAllowed
from roost.http.api_messages import Field, Own, Sight, Whole
from roost.http.gate import ONLY_SPANS
from roost.model import Principal, Role, Slug
from roost.policy.ingest import matches


def viewer_of(principal: Principal, opened: frozenset[Field]) -> Sight:
    """`opened` is what the tenant shows its end users beyond their questions and answers.

    NotAllowed for keys that only send spans, and for an end user whose proof says no user id:
    nothing would be theirs, and everything without one must not be."""
    if principal.role is None:
        raise NotAllowed(ONLY_SPANS, reason="a key that may only send spans")
    if principal.role > Role.END_USER:
        return Whole()
    if not principal.user_id:
        raise NotAllowed(
            "Your session does not say which user you are in traces; the app's settings "
            "(user_id_claim) do.",
            reason="an end user without a user id",
        )
    return Own(principal.user_id, principal.subject, opened)


def opened_by(table: Mapping[str, str]) -> Callable[[Slug], frozenset[Field]]:
    """What each tenant opens to its end users, by patterns of slugs, the first that fits:
    `{"acme": "tools+metadata", "*": "annotations"}`. Nothing, where none does. ValueError for a
    word that is no Field.

    >>> sorted(opened_by({"acme-*": "tools+metadata"})(Slug("acme-1")))
    [<Field.METADATA: 'metadata'>, <Field.TOOLS: 'tools'>]
    >>> opened_by({"acme-*": "tools"})(Slug("globex"))
    frozenset()
    """
    opened = {pattern: _fields(text) for pattern, text in table.items()}

    def of(slug: Slug) -> frozenset[Field]:
        return next(
            (some for pattern, some in opened.items() if matches(pattern, slug)), frozenset()
        )

    return of


def _fields(text: str) -> frozenset[Field]:
    names = [name.strip() for name in text.split("+") if name.strip()]
    if unknown := [name for name in names if name not in set(Field)]:
        raise ValueError(f"{', '.join(unknown)}: end users may be shown {', '.join(Field)}")
    return frozenset(map(Field, names))
