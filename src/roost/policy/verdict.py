"""What the tables answer: allowed, refused, or answered by another part of Roost.

Rule: a row that is neither allowed nor refused names who answers instead; nothing is implied.
"""

from enum import StrEnum

from roost.model import Role
from roost.policy.decision import Allow, Refuse, Treatment


class Elsewhere(StrEnum):
    """Not forwarded by this decision. The value is what the reference calls it."""

    INGEST = "taken by Roost's ingest, with an `ingest` key"
    GRAPHQL = "judged by the operation in the body"
    SIGN_IN = "Roost's own: sign in again at the host"
    SIGN_OUT = "Roost's own: sign out at the host"


Verdict = Allow | Refuse | Elsewhere

READ = Allow(Treatment.PRIVATE, Role.VIEWER)
HEAVY_READ = Allow(Treatment.PRIVATE, Role.VIEWER, heavy=True)
WRITE = Allow(Treatment.PRIVATE, Role.MEMBER, changes=True)
ANNOTATE = Allow(Treatment.PRIVATE, Role.MEMBER, changes=True, reconcile=True)
"""Annotations and notes that the log has not brought."""
ADMINISTER = Allow(Treatment.PRIVATE, Role.ADMIN, changes=True)
CHANGE_TRACES = Allow(Treatment.PRIVATE, Role.ADMIN, changes=True, reconcile=True)
"""Deletes or moves traces, spans, sessions or projects; or makes a policy that deletes them."""
TRACED_WRITE = Allow(Treatment.PRIVATE, Role.MEMBER, changes=True, reconcile=True)
"""A member's write behind which traces come or go: runs of evaluators and experiments."""

NO_ROW = Refuse("no row names this")
NO_USERS = Refuse(
    "user management is the host's",
    "People and their roles come from your app's sign-in; they are not managed in Phoenix.",
)
NO_KEYS = Refuse(
    "Phoenix's own keys are not used",
    "Make and revoke keys with `roost keys`; Phoenix's own keys are not used here.",
)
NO_SIGN_IN = Refuse("sign-in to a cell is Roost's alone", "Sign-in belongs to your app.")
NO_ASSISTANT = Refuse(
    "the assistant is off: its code would act as the host's user",
    "Phoenix's assistant is switched off here.",
)
