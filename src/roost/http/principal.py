"""From who somebody is to who they are *in a tenant*. Pure.

Rule: a tenant that is not theirs and a tenant that is not there give the same answer.
"""

from collections.abc import Awaitable, Callable, Mapping

from roost.errors import BadRequest, NotFound
from roost.http.call import Call
from roost.model import Identity, Principal, Role, Slug, Tenant

PrincipalOf = Callable[[Call, Slug | None], Awaitable[Principal]]
"""Who sent a call, in the tenant that its path names (None: the only one there is for them)."""


def principal_in(
    identity: Identity, slug: Slug | None, tenants: Mapping[Slug, Tenant]
) -> Principal:
    """The principal in the named tenant, or in the only one there is for this identity.

    NotFound where the tenant is not theirs; BadRequest where none is named and there are several.
    """
    tenant = _only(identity, tenants) if slug is None else tenants.get(slug)
    if tenant is None or (identity.tenant_id not in (None, tenant.id)):
        raise NotFound(reason=f"no tenant {slug!r} for this identity")
    role = identity.role_in(tenant.slug)
    bound_key = identity.ingest is not None and identity.tenant_id == tenant.id
    if role is None and not bound_key:
        raise NotFound(reason=f"{identity.subject!r} is not of tenant {tenant.slug!r}")
    return _principal(identity, tenant, role)


def tenants_of(identity: Identity, tenants: Mapping[Slug, Tenant]) -> list[Tenant]:
    """The tenants whose pages this identity may see, by name."""
    mine = [
        tenant
        for tenant in tenants.values()
        if identity.role_in(tenant.slug) is not None and identity.tenant_id in (None, tenant.id)
    ]
    return sorted(mine, key=lambda tenant: tenant.slug)


def _only(identity: Identity, tenants: Mapping[Slug, Tenant]) -> Tenant | None:
    if identity.tenant_id is not None:
        return next((one for one in tenants.values() if one.id == identity.tenant_id), None)
    mine = tenants_of(identity, tenants)
    if len(mine) > 1:
        raise BadRequest(
            "You belong to several tenants: name one in the path, `…/t/<tenant>/v1/…`."
        )
    return mine[0] if mine else None


def _principal(identity: Identity, tenant: Tenant, role: Role | None) -> Principal:
    return Principal(
        tenant=tenant,
        subject=identity.subject,
        role=role,
        proof=identity.proof,
        proof_id=identity.proof_id,
        valid_until=identity.valid_until,
        name=identity.name,
        email=identity.email,
        user_id=identity.user_id,
        issuer=identity.issuer,
        ingest=identity.ingest,
    )
