import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import BadRequest, NotSignedIn
from roost.identity import api_key
from roost.model import IngestGrant, KeyRecord, Proof, Role, Scope, Slug, TenantId

NOW = 1_800_000_000.0
MINTED = api_key.mint()
RECORD = KeyRecord(
    id=MINTED.id,
    tenant_id=TenantId("t-1"),
    tenant_slug=Slug("acme"),
    name="laptop",
    secret_hash=MINTED.secret_hash,
    scopes=frozenset({Scope.READ}),
    created_at=NOW,
)


def test_a_minted_key_is_parsed_and_proves_itself() -> None:
    parsed = api_key.parse(MINTED.token)
    assert parsed.id == MINTED.id
    assert api_key.proves(RECORD, parsed.secret_hash)


def test_a_key_is_url_safe_and_of_one_length() -> None:
    assert len(MINTED.token) == 65
    assert MINTED.token.isascii()
    assert MINTED.token.replace("_", "").isalnum()


def test_only_the_hash_of_the_secret_is_kept() -> None:
    secret = MINTED.token.split("_")[2][: api_key.SECRET_CHARS]
    assert MINTED.secret_hash == hashlib.sha256(secret.encode()).digest()
    assert secret not in repr(MINTED)
    assert str(MINTED.secret_hash) not in repr(RECORD)


def test_no_two_keys_are_alike() -> None:
    keys = [api_key.mint() for _ in range(50)]
    assert len({key.id for key in keys}) == len({key.secret_hash for key in keys}) == 50


def test_another_keys_secret_proves_nothing() -> None:
    assert not api_key.proves(RECORD, api_key.mint().secret_hash)


def test_a_revoked_key_proves_nothing() -> None:
    assert not api_key.proves(replace(RECORD, revoked_at=NOW), MINTED.secret_hash)


@given(st.integers(min_value=0, max_value=64), st.sampled_from(api_key.ALPHABET))
def test_one_wrong_character_is_told_locally(at: int, wrong: str) -> None:
    token = MINTED.token[:at] + wrong + MINTED.token[at + 1 :]
    if token == MINTED.token:
        assert api_key.parse(token).id == MINTED.id
    else:
        with pytest.raises(NotSignedIn):
            api_key.parse(token)


@given(st.text() | st.from_regex(r"\Ark_\w*\Z"))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    with pytest.raises(NotSignedIn):
        api_key.parse(text)


MALFORMED = {
    "cut short": (MINTED.token[:-3], "not complete"),
    "with a line end": (MINTED.token + "\n", "not complete"),
    "mistyped": (MINTED.token[:-1] + ("a" if MINTED.token[-1] != "a" else "b"), "mistyped"),
    "a Phoenix key": ("eyJhbGciOiJIUzI1NiJ9.e30.x", "not Phoenix's"),
    "something else": ("sk-live-1", "begins with `rk_`"),
    "empty": ("", "begins with `rk_`"),
}


@pytest.mark.parametrize(("token", "hint"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_key_is_told_what_is_wrong(token: str, hint: str) -> None:
    with pytest.raises(NotSignedIn) as refused:
        api_key.parse(token)
    assert hint in refused.value.message
    assert not token or token not in refused.value.message + refused.value.reason


INGEST = frozenset({Scope.INGEST})
ALLOWED = {
    "ingest": (INGEST, None, None),
    "ingest into a pattern": (INGEST, "team-*", "team-a"),
    "ingest by default into one": (INGEST, None, "chat"),
    "read": (frozenset({Scope.READ}), None, None),
    "ingest and read": (frozenset({Scope.INGEST, Scope.READ}), None, None),
}
REFUSED = {
    "no scope": (frozenset[Scope](), None, None, "needs a scope"),
    "pattern beside read": (INGEST | {Scope.READ}, "a*", None, "one scope is `ingest`"),
    "pattern on read": (frozenset({Scope.READ}), "a*", None, "one scope is `ingest`"),
    "pattern on admin": (frozenset({Scope.ADMIN}), "*", None, "one scope is `ingest`"),
    "default on write": (frozenset({Scope.WRITE}), None, "a", "one scope is `ingest`"),
    "an empty pattern": (INGEST, "", None, "must not be empty"),
    "an empty default": (INGEST, None, "", "must not be empty"),
    "default outside": (INGEST, "team-*", "other", "does not match"),
}


@pytest.mark.parametrize(("scopes", "pattern", "default"), ALLOWED.values(), ids=ALLOWED.keys())
def test_such_a_key_may_be_made(
    scopes: frozenset[Scope], pattern: str | None, default: str | None
) -> None:
    record = replace(RECORD, scopes=scopes, project_pattern=pattern, default_project=default)
    api_key.check(record)


@pytest.mark.parametrize(
    ("scopes", "pattern", "default", "hint"), REFUSED.values(), ids=REFUSED.keys()
)
def test_such_a_key_is_refused(
    scopes: frozenset[Scope], pattern: str | None, default: str | None, hint: str
) -> None:
    record = replace(RECORD, scopes=scopes, project_pattern=pattern, default_project=default)
    with pytest.raises(BadRequest) as refused:
        api_key.check(record)
    assert hint in refused.value.message


ROLES = {
    "ingest is no role": ({Scope.INGEST}, None, True),
    "read": ({Scope.READ}, Role.VIEWER, False),
    "write": ({Scope.WRITE}, Role.MEMBER, False),
    "admin implies no ingest": ({Scope.ADMIN}, Role.ADMIN, False),
    "the highest counts": ({Scope.READ, Scope.WRITE, Scope.INGEST}, Role.MEMBER, True),
}


@pytest.mark.parametrize(("scopes", "role", "ingests"), ROLES.values(), ids=ROLES.keys())
def test_scopes_are_roles_in_the_keys_own_tenant(
    scopes: set[Scope], role: Role | None, ingests: bool
) -> None:
    record = replace(RECORD, scopes=frozenset(scopes))
    identity = api_key.identify(record.id, record, NOW)
    assert identity.role_in(Slug("acme")) == role
    assert identity.role_in(Slug("globex")) is None
    assert (identity.ingest is not None) == ingests
    assert identity.tenant_id == "t-1"


def test_a_key_is_its_own_subject_and_proof() -> None:
    identity = api_key.identify(RECORD.id, RECORD, NOW)
    assert (identity.subject, identity.proof_id) == (f"key:{RECORD.id}", RECORD.id)
    assert (identity.proof, identity.valid_until) == (Proof.KEY, NOW + 60)


GRANTS = {
    "nothing said": (None, None, IngestGrant("*", "default")),
    "a pattern": ("team-*", None, IngestGrant("team-*", "default")),
    "one project": ("chat", None, IngestGrant("chat", "chat")),
    "a default": (None, "chat", IngestGrant("*", "chat")),
    "both": ("team-*", "team-a", IngestGrant("team-*", "team-a")),
}


@pytest.mark.parametrize(("pattern", "default", "grant"), GRANTS.values(), ids=GRANTS.keys())
def test_what_an_ingest_key_grants(
    pattern: str | None, default: str | None, grant: IngestGrant
) -> None:
    record = replace(RECORD, scopes=INGEST, project_pattern=pattern, default_project=default)
    assert api_key.identify(record.id, record, NOW).ingest == grant


PRESENTED = {
    "nowhere": ([(b"host", b"x")], None),
    "as bearer": ([(b"authorization", b"Bearer rk_a")], "rk_a"),
    "as bearer in any case": ([(b"Authorization", b"bEaReR  rk_a ")], "rk_a"),
    "as api_key": ([(b"api_key", b"rk_a")], "rk_a"),
    "twice the same": ([(b"api_key", b"rk_a"), (b"authorization", b"Bearer rk_a")], "rk_a"),
    "beside the host's basic": ([(b"authorization", b"Basic x"), (b"api_key", b"rk_a")], "rk_a"),
    "basic alone": ([(b"authorization", b"Basic cmtfYTpi")], None),
    "an empty bearer": ([(b"authorization", b"Bearer ")], None),
}


@pytest.mark.parametrize(("headers", "token"), PRESENTED.values(), ids=PRESENTED.keys())
def test_where_a_key_is_presented(headers: list[tuple[bytes, bytes]], token: str | None) -> None:
    assert api_key.presented(headers) == token


@pytest.mark.parametrize("name", [b"authorization", b"api_key"])
def test_two_different_keys_are_refused(name: bytes) -> None:
    second = b"Bearer rk_b" if name == b"authorization" else b"rk_b"
    with pytest.raises(BadRequest):
        api_key.presented([(b"authorization", b"Bearer rk_a"), (name, second)])
