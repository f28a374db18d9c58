"""Which of the proofs in one request counts. Pure.

Rule: the order is embed token, bearer, cookie; proofs that name different people are refused,
never ranked: a page could otherwise act as whoever's cookie lies in the browser.
"""

from collections.abc import Sequence

from roost.errors import NotSignedIn
from roost.model import Identity


def choose(found: Sequence[Identity | None]) -> Identity | None:
    """The first identity of `found`, given in the order of the rule; None where nobody is named.

    NotSignedIn where two differ in issuer or subject.
    """
    named = [identity for identity in found if identity is not None]
    people = {(identity.issuer, identity.subject) for identity in named}
    if len(people) > 1:
        kinds = ", ".join(identity.proof for identity in named)
        raise NotSignedIn(
            f"This request names different people ({kinds}). Send one proof: "
            "leave out the key, or sign out of one of the two.",
            reason=f"proofs of different people: {kinds}",
        )
    return named[0] if named else None
