"""The user whom the host app names itself, through `Roost(identify=...)`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from roost.model import Identity, Proof, Role, as_slug

BELIEVED_S = 60.0
"""The host is asked on each request; streams that are open ask again after so long."""
ISSUER = "host"


@dataclass(frozen=True, slots=True)
class HostUser:
    """`tenant` is a slug; `role` one of viewer, member, admin, end_user; `subject` names the
    person for ever. `tenants` gives further tenants with their roles.

    >>> HostUser("u1", "acme", "viewer").identity(0).roles
    {'acme': <Role.VIEWER: 1>}
    >>> HostUser("u1", "Not a slug", "viewer").identity(0).roles
    {}
    """

    subject: str
    tenant: str = ""
    role: str = ""
    name: str = ""
    email: str = ""
    user_id: str = ""
    tenants: Mapping[str, str] = field(default_factory=dict)

    def identity(self, now: float) -> Identity:
        """Unknown roles and malformed slugs give nothing."""
        wanted = {**self.tenants, self.tenant: self.role}
        known = {role.label: role for role in Role}
        roles = {
            slug: known[role]
            for name, role in wanted.items()
            if (slug := as_slug(name)) is not None and role in known
        }
        digest = hashlib.sha256(f"{ISSUER}\0{self.subject}".encode()).hexdigest()[:32]
        return Identity(
            subject=self.subject,
            proof=Proof.HOST,
            proof_id=f"host-{digest}",
            valid_until=now + BELIEVED_S,
            name=self.name,
            email=self.email,
            user_id=self.user_id or self.subject,
            issuer=ISSUER,
            roles=roles,
        )
