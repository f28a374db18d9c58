"""From a host's claims to an identity, by the operator's settings. Pure.

Rule: deny by default. A claim that no setting names, a role that no row maps and a tenant that
is not a slug give nothing, and say so in a `Finding` with the line that would change it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from roost.errors import NotSignedIn
from roost.identity.claims import Claims
from roost.identity.finding import Finding
from roost.model import Identity, Proof, Role, Slug, as_slug

OWN_LABELS: Mapping[str, Role] = {role.label: role for role in Role}
TENANT_WORDS = ("tenant", "org", "team", "workspace", "company", "account", "customer")
SHOWN_PATHS = 20


@dataclass(frozen=True, slots=True)
class IdentityMapping:
    """Which claim, or which constant, is what. Paths as `Claims.at` reads them; "" and None mean
    not set. `roles` maps the host's role names; empty, Roost's own labels are taken.

    `admins` are admin of every tenant: an entry with "@" is an e-mail address, compared without
    case, any other a subject. An address counts unless the claim `email_verified` is false:
    list addresses only where the host lets nobody take another's address.
    """

    tenant_claim: str = ""
    tenant_constant: str = ""
    role_claim: str = ""
    role_constant: Role | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    subject_claim: str = "sub"
    email_claim: str = "email"
    name_claim: str = "name"
    user_id_claim: str = "sub"
    admins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Mapped:
    """`findings` say why the identity is in no tenant, or in fewer than it could be."""

    identity: Identity
    findings: tuple[Finding, ...] = ()


def map_claims(
    claims: Claims, mapping: IdentityMapping, proof: Proof, issuer: str = "host"
) -> Mapped:
    """The identity that the claims and the settings give; perhaps one without any tenant.

    NotSignedIn where the claims name nobody.
    """
    subject = claims.text(mapping.subject_claim)
    if not subject:
        raise NotSignedIn(reason=f"no usable claim {mapping.subject_claim!r} for the subject")
    slugs, findings = _tenants(claims, mapping)
    role = _role(claims, mapping)
    if isinstance(role, Finding):
        findings, roles = [*findings, role], dict[Slug, Role]()
    else:
        roles = dict.fromkeys(slugs, role)
    everywhere = Role.ADMIN if _is_admin(subject, claims, mapping) else None
    identity = Identity(
        subject=subject,
        proof=proof,
        proof_id=claims.proof_id,
        valid_until=claims.valid_until,
        name=claims.text(mapping.name_claim),
        email=claims.text(mapping.email_claim),
        user_id=claims.text(mapping.user_id_claim),
        issuer=issuer,
        roles=roles,
        everywhere=everywhere,
    )
    return Mapped(identity, tuple(findings))


def missing_settings(mapping: IdentityMapping) -> tuple[Finding, ...]:
    """What stands between everybody but the listed admins and a tenant, before anyone came."""
    findings = []
    if not (mapping.tenant_claim or mapping.tenant_constant):
        findings.append(_no_tenant_setting(()))
    if not (mapping.role_claim or mapping.role_constant is not None):
        findings.append(_no_role_setting())
    return tuple(findings)


def _tenants(claims: Claims, mapping: IdentityMapping) -> tuple[list[Slug], list[Finding]]:
    path = mapping.tenant_claim
    if not path and not mapping.tenant_constant:
        return [], [_no_tenant_setting(claims.paths())]
    texts = claims.texts(path) if path else (mapping.tenant_constant,)
    if not texts:
        return [], [_absent("tenant", path, claims)]
    slugs = {text: as_slug(text) for text in texts}
    refused = [_no_slug(text) for text, slug in slugs.items() if slug is None]
    return [slug for slug in slugs.values() if slug is not None], refused


def _role(claims: Claims, mapping: IdentityMapping) -> Role | Finding:
    if mapping.role_constant is not None:
        return mapping.role_constant
    if not mapping.role_claim:
        return _no_role_setting()
    texts = claims.texts(mapping.role_claim)
    if not texts:
        return _absent("role", mapping.role_claim, claims)
    table = mapping.roles or OWN_LABELS
    known = [table[text] for text in texts if text in table]
    return max(known) if known else _unknown_role(texts[0])


def _is_admin(subject: str, claims: Claims, mapping: IdentityMapping) -> bool:
    """An entry with "@" is never matched by a subject: hosts exist where people choose theirs."""
    if "@" not in subject and subject in mapping.admins:
        return True
    email = claims.text(mapping.email_claim).casefold()
    if "@" not in email or claims.at("email_verified") in (False, "false"):
        return False
    return email in {entry.casefold() for entry in mapping.admins}


def _no_tenant_setting(paths: Iterable[str]) -> Finding:
    path = next((path for path in paths if any(word in path for word in TENANT_WORDS)), "tenant")
    return Finding(
        "no setting says which claim is the tenant, so only listed admins get in",
        f'tenant_claim = {_toml(path)}   # or, for one tenant: tenant_constant = "main"',
    )


def _no_role_setting() -> Finding:
    return Finding(
        "no setting says which role people have, so only listed admins get in",
        'role_constant = "viewer"   # or: role_claim = "role"',
    )


def _absent(what: str, path: str, claims: Claims) -> Finding:
    there = ", ".join(sorted(claims.paths())[:SHOWN_PATHS]) or "none"
    return Finding(
        f"{what}_claim is {path!r}, and the session has no such claim; it has: {there}",
        f'{what}_claim = "…"   # one of those, or add the claim in the host\'s `jwt` callback',
    )


def _no_slug(text: str) -> Finding:
    return Finding(
        f"the tenant {text!r} is not a slug (1 to 40 of a-z, 0-9 and '-')",
        'tenant_claim = "…"   # a claim that holds slugs, as `roost tenants list` shows them',
    )


def _unknown_role(text: str) -> Finding:
    return Finding(
        f"no row of role_map says what the host's role {text!r} may do",
        f'role_map = {{ {_toml(text)} = "viewer" }}',
    )


def _toml(text: str) -> str:
    """A TOML string: JSON's escapes are a part of TOML's."""
    return json.dumps(text)
