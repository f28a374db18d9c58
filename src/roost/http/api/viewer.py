"""Whose eyes a call to Roost's own API sees with: decided here, and nowhere else.

Rule: what is not an end user with a user id and not a viewer or more sees nothing.
"""

from roost.errors import NotAllowed
from roost.http.api_messages import Field, Own, Sight, Whole
from roost.http.gate import ONLY_SPANS
from roost.model import Principal, Role


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
