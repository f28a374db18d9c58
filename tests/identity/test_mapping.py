import tomllib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import NotSignedIn
from roost.identity.claims import Claims
from roost.identity.mapping import IdentityMapping, Mapped, map_claims, missing_settings
from roost.model import Proof, Role, Slug

ANN: Mapping[str, object] = {
    "sub": "ann-1",
    "email": "Ann@Acme.example",
    "name": "Ann",
    "role": "analyst",
    "org": {"slug": "acme"},
    "tenants": ["acme", "globex"],
}
BY_CLAIMS = IdentityMapping(
    tenant_claim="org.slug", role_claim="role", roles={"analyst": Role.VIEWER, "boss": Role.ADMIN}
)
ACME, GLOBEX = Slug("acme"), Slug("globex")


def mapped(mapping: IdentityMapping, **changes: object) -> Mapped:
    return map_claims(Claims({**ANN, **changes}, "proof-1", 99.0), mapping, Proof.NEXTAUTH)


def test_claims_become_an_identity() -> None:
    identity = mapped(BY_CLAIMS).identity
    assert identity.roles == {ACME: Role.VIEWER}
    assert (identity.subject, identity.name, identity.email) == ("ann-1", "Ann", "Ann@Acme.example")
    assert (identity.proof, identity.proof_id, identity.valid_until) == (
        Proof.NEXTAUTH,
        "proof-1",
        99.0,
    )
    assert identity.everywhere is None
    assert mapped(BY_CLAIMS).findings == ()


def test_each_field_follows_its_setting() -> None:
    mapping = replace(
        BY_CLAIMS,
        subject_claim="uid",
        email_claim="mail",
        name_claim="nick",
        user_id_claim="ext.id",
    )
    identity = mapped(mapping, uid=7, mail="a@b.example", nick="A", ext={"id": "x-1"}).identity
    assert (identity.subject, identity.email, identity.name, identity.user_id) == (
        "7",
        "a@b.example",
        "A",
        "x-1",
    )


def test_constants_hold_for_everybody() -> None:
    mapping = IdentityMapping(tenant_constant="acme", role_constant=Role.MEMBER)
    assert mapped(mapping).identity.roles == {ACME: Role.MEMBER}


def test_several_tenants_share_the_role() -> None:
    mapping = replace(BY_CLAIMS, tenant_claim="tenants")
    assert mapped(mapping).identity.roles == {ACME: Role.VIEWER, GLOBEX: Role.VIEWER}


def test_the_highest_known_role_counts() -> None:
    result = mapped(BY_CLAIMS, role=["unheard", "analyst", "boss"])
    assert result.identity.roles == {ACME: Role.ADMIN}


def test_without_a_role_map_roosts_own_labels_are_taken() -> None:
    mapping = replace(BY_CLAIMS, roles={})
    assert mapped(mapping, role="member").identity.roles == {ACME: Role.MEMBER}
    assert mapped(mapping, role="Member").identity.roles == {}


def test_a_role_map_replaces_roosts_own_labels() -> None:
    assert mapped(BY_CLAIMS, role="admin").identity.roles == {}


NOWHERE: dict[str, tuple[IdentityMapping, Mapping[str, object], str, str]] = {
    "no tenant setting": (
        replace(BY_CLAIMS, tenant_claim=""),
        {},
        "no setting says which claim is the tenant",
        'tenant_claim = "org.slug"',
    ),
    "no role setting": (
        replace(BY_CLAIMS, role_claim=""),
        {},
        "no setting says which role",
        'role_constant = "viewer"',
    ),
    "no such tenant claim": (
        replace(BY_CLAIMS, tenant_claim="team"),
        {},
        "it has: email, name, org.slug, role, sub, tenants",
        'tenant_claim = "…"',
    ),
    "no such role claim": (BY_CLAIMS, {"role": None}, "role_claim is 'role'", 'role_claim = "…"'),
    "an unknown role": (BY_CLAIMS, {"role": 'o"x'}, "role 'o\"x' may do", r'{ "o\"x" = "viewer" }'),
    "no slug": (BY_CLAIMS, {"org": {"slug": "../globex"}}, "is not a slug", 'tenant_claim = "…"'),
    "another case": (BY_CLAIMS, {"org": {"slug": "Acme"}}, "is not a slug", 'tenant_claim = "…"'),
    "an empty tenant": (BY_CLAIMS, {"org": {"slug": ""}}, "no such claim", 'tenant_claim = "…"'),
    "tenant is true": (BY_CLAIMS, {"org": {"slug": True}}, "no such claim", 'tenant_claim = "…"'),
}


@pytest.mark.parametrize(
    ("mapping", "changes", "reason", "fix"), NOWHERE.values(), ids=NOWHERE.keys()
)
def test_nobody_gets_in_by_what_is_not_said_and_the_finding_tells_the_line(
    mapping: IdentityMapping, changes: Mapping[str, object], reason: str, fix: str
) -> None:
    result = mapped(mapping, **changes)
    assert result.identity.roles == {}
    [finding] = result.findings
    assert reason in finding.reason
    assert fix in finding.fix
    assert tomllib.loads(finding.fix)


def test_a_slug_beside_something_else_still_counts() -> None:
    result = mapped(replace(BY_CLAIMS, tenant_claim="tenants"), tenants=["acme", "GLOBEX"])
    assert result.identity.roles == {ACME: Role.VIEWER}
    assert len(result.findings) == 1


@pytest.mark.parametrize("subject", [None, "", True, {}, "a\nb"], ids=repr)
def test_claims_without_a_subject_are_nobody(subject: object) -> None:
    with pytest.raises(NotSignedIn):
        mapped(BY_CLAIMS, sub=subject)


def test_with_no_mapping_nobody_gets_in() -> None:
    result = mapped(IdentityMapping())
    assert result.identity.roles == {}
    assert result.identity.everywhere is None
    assert result.findings


def test_without_anyone_there_the_missing_settings_are_told() -> None:
    assert len(missing_settings(IdentityMapping())) == 2
    assert missing_settings(BY_CLAIMS) == ()
    assert missing_settings(IdentityMapping(tenant_constant="a", role_constant=Role.VIEWER)) == ()


ADMINS: dict[str, tuple[str, Mapping[str, object], bool]] = {
    "by address": ("ann@acme.example", {}, True),
    "by address in another case": ("ANN@ACME.EXAMPLE", {}, True),
    "by subject": ("ann-1", {}, True),
    "by address, verified": ("ann@acme.example", {"email_verified": True}, True),
    "by address, not verified": ("ann@acme.example", {"email_verified": False}, False),
    "by address, not verified as text": ("ann@acme.example", {"email_verified": "false"}, False),
    "by subject, address not verified": ("ann-1", {"email_verified": False}, True),
    "subject in another case": ("ANN-1", {}, False),
    "an address as subject": ("eve@x.example", {"sub": "eve@x.example"}, False),
    "a subject as address": ("eve", {"email": "eve"}, False),
    "by name": ("Ann", {}, False),
    "nobody": ("", {"email": ""}, False),
}


@pytest.mark.parametrize(("entry", "changes", "is_admin"), ADMINS.values(), ids=ADMINS.keys())
def test_who_is_admin_everywhere(entry: str, changes: Mapping[str, object], is_admin: bool) -> None:
    identity = mapped(IdentityMapping(admins=frozenset({entry})), **changes).identity
    assert (identity.everywhere is Role.ADMIN) == is_admin
    assert identity.role_in(GLOBEX) == (Role.ADMIN if is_admin else None)


@given(st.text(), st.text())
def test_only_slugs_and_known_roles_ever_come_out(tenant: str, role: str) -> None:
    roles = mapped(BY_CLAIMS, org={"slug": tenant}, role=role).identity.roles
    assert roles == {} or (set(roles) == {tenant} and role in BY_CLAIMS.roles)
