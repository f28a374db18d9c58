"""Tells a host that names the same person anew at each sign-in. Pure.

Auth.js 5 without a database adapter sets `user.id = crypto.randomUUID()`, which becomes `sub`:
annotations then have a new author every day, and one e-mail address many users.
Rule: one address with two sign-in methods is no finding; random ids are told by their form, or by
their number.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from roost.identity.finding import Finding

WINDOW_S = 30 * 24 * 3600.0
RANDOM_IDS = 2
ANY_IDS = 4
"""How many subjects of one address are too many: of random UUIDs, and of any form."""

JWT_CALLBACK = """\
// auth.ts: name people by their account at the provider, which stays the same
callbacks: {
  jwt({ token, account }) {
    if (account) token.sub = `${account.provider}:${account.providerAccountId}`
    return token
  },
},"""

_UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def changing_subjects(
    sightings: Iterable[tuple[str, str, float]], now: float, window_s: float = WINDOW_S
) -> list[Finding]:
    """A finding for each e-mail address that came with too many subjects within the window.

    `sightings` are (e-mail, subject, last seen in seconds since the epoch).
    """
    subjects: dict[str, set[str]] = defaultdict(set)
    for email, subject, seen_at in sightings:
        if email and seen_at >= now - window_s:
            subjects[email.casefold()].add(subject)
    return [_finding(email, found) for email, found in subjects.items() if _changes(found)]


def _changes(subjects: set[str]) -> bool:
    random = sum(1 for subject in subjects if _UUID4.fullmatch(subject))
    return random >= RANDOM_IDS or len(subjects) >= ANY_IDS


def _finding(email: str, subjects: set[str]) -> Finding:
    return Finding(
        f"{email} came with {len(subjects)} different subjects: the host makes a new user id at "
        "each sign-in (Auth.js does without a database adapter)",
        JWT_CALLBACK,
    )
