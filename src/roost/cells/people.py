"""Who somebody is inside a cell.

Rule 1: pure. Rule 2: one subject has one role for ever, since a Phoenix token follows the role of
its user's row: whoever is viewer and admin is two users. Rule 3: no address or subject of the host
enters a cell, only a name to show.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace

from roost.model import Principal, Proof, Role

PHOENIX_ROLES: Mapping[Role, str] = {
    Role.VIEWER: "VIEWER",
    Role.MEMBER: "MEMBER",
    Role.ADMIN: "ADMIN",
}
"""END_USER has none: it never meets Phoenix itself."""

MAX_NAME_CHARACTERS = 80
_KEY_ISSUER = "roost:key"
_SERVICE_ISSUER = "roost:service"
_UNSEEN = ("C", "Zl", "Zp")
"""Unicode categories that change what is seen around them: controls, bidi marks, line breaks."""


@dataclass(frozen=True, slots=True)
class CellUser:
    """`sub` is 64 hex digits, stable for an installation; `name` is what Phoenix shows."""

    sub: str
    email: str
    name: str
    role: Role

    @property
    def phoenix_role(self) -> str:
        return PHOENIX_ROLES[self.role]

    @property
    def distinct_name(self) -> str:
        """The name where somebody else in the cell has it already: Phoenix would append random
        digits to a taken name, and never change it again.

        >>> CellUser("3f9a2c77", "", "Ann (admin)", Role.ADMIN).distinct_name
        'Ann (admin, 3f9a2c)'
        """
        return f"{self.name[:-1]}, {self.sub[:6]})"


def cell_user(key: bytes, principal: Principal) -> CellUser | None:
    """Who `principal` is in its cell, or None: may not enter Phoenix (end users, keys that only
    ingest). `key` is the installation's own, so that subjects cannot be guessed or matched."""
    role = principal.role
    if role is None or role not in PHOENIX_ROLES:
        return None
    if principal.proof is Proof.KEY:
        return _user(key, (_KEY_ISSUER, principal.proof_id), role, _shown(principal.name), "key")
    shown = _shown(principal.name) or _shown(principal.email.partition("@")[0]) or "Somebody"
    return _user(key, (principal.issuer, principal.subject), role, shown, role.label)


def every_role_of(key: bytes, principal: Principal) -> list[CellUser]:
    """All the users that somebody can have in a cell, one a role: whom to delete who leaves."""
    users = [cell_user(key, replace(principal, role=role)) for role in PHOENIX_ROLES]
    return [user for user in users if user is not None]


def service_user(key: bytes) -> CellUser:
    """The one subject that writes for people who cannot (feedback of viewers and end users).

    It is the same in every cell of an installation, so a database that two tenants share by
    mistake shows itself: Phoenix refuses its second sign-in with `email_in_use`.
    """
    return _user(key, (_SERVICE_ISSUER, "feedback"), Role.MEMBER, "Roost", "service")


def name_for(user: CellUser, taken: Mapping[str, str]) -> str:
    """The name to sign `user` in with; `taken` maps the cell's user names to e-mail addresses.

    >>> ann = CellUser("3f9a2c77", "3f9a@roost.invalid", "Ann (admin)", Role.ADMIN)
    >>> name_for(ann, {}), name_for(ann, {"Ann (admin)": "other@roost.invalid"})
    ('Ann (admin)', 'Ann (admin, 3f9a2c)')
    """
    return user.name if taken.get(user.name, user.email) == user.email else user.distinct_name


def _user(key: bytes, who: tuple[str, str], role: Role, shown: str, kind: str) -> CellUser:
    sub = _subject(key, *who, role.label)
    name = f"{shown or 'Unnamed'} ({kind})"
    return CellUser(sub=sub, email=f"{sub}@roost.invalid", name=name, role=role)


def _subject(key: bytes, *parts: str) -> str:
    """Lengths stand before the parts, so that no two lists of parts give one message."""
    encoded = [part.encode() for part in parts]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _shown(text: str) -> str:
    visible = "".join(
        " " if unicodedata.category(character).startswith(_UNSEEN) else character
        for character in text
    )
    return re.sub(r"\s+", " ", visible).strip()[:MAX_NAME_CHARACTERS].rstrip()
