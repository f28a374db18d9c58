import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from joserfc.jwk import OctKey, RSAKey
from tests.identity.forge import ANN, ENC, NOW, SECRET, plain_name, seal, session_key, with_header

from roost.errors import ConfigError, NotSignedIn
from roost.identity.cookies import MAX_SAME_NAME
from roost.identity.nextauth import LEEWAY_S, MAX_FUTURE_S, NextAuth
from roost.identity.session_keys import COOKIE_NAMES, Version, derive_keys

VECTORS = json.loads(
    (Path(__file__).parent.parent / "data" / "host-sessions.json").read_text(encoding="utf-8")
)["vectors"]
VERSIONS: Mapping[str, Version] = {"nextauth-v4": 4, "authjs-v5": 5}
SESSIONS = [vector for vector in VECTORS if vector["kind"] in VERSIONS]
VECTORS_NOW = 1_795_450_000.0

each_version = pytest.mark.parametrize("version", [4, 5], ids=["v4", "v5"])


def reader(version: Version) -> NextAuth:
    return NextAuth(version, [SECRET])


def read(version: Version, *tokens: str) -> str:
    """The subject of the session that these cookies of the plain name are."""
    cookies = [(plain_name(version), token) for token in tokens]
    claims = reader(version).read(cookies, NOW)
    assert claims is not None
    return claims.text("sub")


def refusal(version: Version, *tokens: str) -> str:
    with pytest.raises(NotSignedIn) as refused:
        read(version, *tokens)
    assert refused.value.status == 401
    return refused.value.reason


@pytest.mark.parametrize("vector", SESSIONS, ids=lambda vector: vector["id"])
def test_every_vector_is_read_or_refused_as_the_library_does(vector: dict[str, object]) -> None:
    version = VERSIONS[str(vector["kind"])]
    name, secrets, sent = vector["cookie_name"], vector["secrets"], vector["cookies"]
    assert isinstance(name, str)
    assert isinstance(secrets, list)
    assert isinstance(sent, dict)
    own_name = "" if name in COOKIE_NAMES[version] else name
    auth = NextAuth(version, secrets, own_name)
    if vector["expect"] is None:
        with pytest.raises(NotSignedIn):
            auth.read(list(sent.items()), VECTORS_NOW)
    else:
        claims = auth.read(list(sent.items()), VECTORS_NOW)
        assert claims is not None
        assert claims.values == vector["expect"]


def test_the_vectors_are_all_there() -> None:
    assert len(SESSIONS) == 12


@pytest.mark.parametrize("vector", [v for v in SESSIONS if "key_hex" in v], ids=lambda v: v["id"])
def test_the_derived_key_is_the_librarys(vector: dict[str, object]) -> None:
    version, name = VERSIONS[str(vector["kind"])], str(vector["cookie_name"])
    secrets = vector["secrets"]
    assert isinstance(secrets, list)
    derived = {key.raw.hex() for key in derive_keys(version, [name], secrets)[name, ENC[version]]}
    assert vector["key_hex"] in derived


@each_version
def test_a_request_without_the_cookie_is_anonymous(version: Version) -> None:
    others = [("theme", "dark"), (plain_name(version) + "-extra", "x"), (plain_name(version), "")]
    assert reader(version).read(others, NOW) is None


@each_version
def test_a_session_is_read(version: Version) -> None:
    assert read(version, seal(version)) == "ann-1"


def test_version_5_also_reads_a256gcm_as_auth_js_does() -> None:
    name = plain_name(5)
    token = seal(5, header={"enc": "A256GCM"}, key=session_key(5, name, "A256GCM"))
    assert read(5, token) == "ann-1"


def test_version_4_knows_only_a256gcm() -> None:
    key = OctKey.import_key(b"k" * 64)
    assert "A256CBC-HS512" in refusal(4, seal(4, header={"enc": "A256CBC-HS512"}, key=key))


HEADERS = {
    "alg none": {"alg": "none", "enc": "A256GCM"},
    "alg RSA-OAEP": {"alg": "RSA-OAEP", "enc": "A256GCM"},
    "alg A128KW": {"alg": "A128KW", "enc": "A256GCM"},
    "alg PBES2": {"alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 10_000_000},
    "alg in other case": {"alg": "DIR", "enc": "A256GCM"},
    "alg is a list": {"alg": ["dir"], "enc": "A256GCM"},
    "no alg": {"enc": "A256GCM"},
    "no enc": {"alg": "dir"},
    "enc A128GCM": {"alg": "dir", "enc": "A128GCM"},
    "enc A128CBC-HS256": {"alg": "dir", "enc": "A128CBC-HS256"},
    "zip": {"alg": "dir", "enc": "A256GCM", "zip": "DEF"},
    "crit": {"alg": "dir", "enc": "A256GCM", "crit": ["exp"]},
    "jku": {"alg": "dir", "enc": "A256GCM", "jku": "https://evil.example/keys"},
    "another typ": {"alg": "dir", "enc": "A256GCM", "typ": "at+jwt"},
    "not an object": ["dir"],
    "nested deeply": json.loads("[" * 100 + "]" * 100),
}


@each_version
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_that_the_library_never_writes_is_refused(
    version: Version, header: object
) -> None:
    assert refusal(version, with_header(seal(version), json.dumps(header).encode()))


@pytest.mark.parametrize(
    "header", [b"", b"\xff\xfe", b'{"alg":"\xff"}', b"{", b'{"alg":"dir"} x', b"{" * 3000]
)
def test_a_header_that_is_no_json_is_refused(header: bytes) -> None:
    assert refusal(5, with_header(seal(5), header))


def test_a_compressed_session_is_refused_before_it_is_inflated() -> None:
    bomb = json.dumps({**ANN, "padding": "0" * 200_000}).encode()
    assert "unknown header" in refusal(5, seal(5, bomb, {"zip": "DEF"}))


def test_a_token_for_an_rsa_key_is_refused() -> None:
    rsa = RSAKey.generate_key(2048)
    header = {"alg": "RSA-OAEP", "enc": "A256GCM", "n": str(rsa.as_dict(private=False)["n"])}
    assert refusal(4, with_header(seal(4), json.dumps(header).encode()))


TOKENS = {
    "opaque": "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "three segments": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4ifQ.",
    "four dots, empty": "....",
    "an encrypted key": seal(4).replace("..", ".AAAA."),
    "padding": seal(4) + "=",
    "a line end": seal(4) + "\n",
    "not ASCII": seal(4) + "é",
    "JSON": '{"protected":""}',
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_what_is_no_compact_jwe_is_refused(token: str) -> None:
    assert refusal(4, token)


@each_version
@pytest.mark.parametrize("segment", [2, 3, 4], ids=["iv", "ciphertext", "tag"])
def test_a_changed_segment_is_refused(version: Version, segment: int) -> None:
    parts = seal(version).split(".")
    parts[segment] = ("B" if parts[segment][0] == "A" else "A") + parts[segment][1:]
    assert "none of the secrets" in refusal(version, ".".join(parts))


@each_version
@pytest.mark.parametrize("segment", [2, 3, 4], ids=["iv", "ciphertext", "tag"])
def test_a_shortened_segment_is_refused(version: Version, segment: int) -> None:
    parts = seal(version).split(".")
    parts[segment] = parts[segment][:4]
    assert "none of the secrets" in refusal(version, ".".join(parts))


@each_version
def test_an_oversized_cookie_is_refused_without_a_look(version: Version) -> None:
    assert "longer than 32768" in refusal(version, "a" * 32_769)


CLAIMS: dict[str, tuple[Mapping[str, object] | bytes, str]] = {
    "expired": ({**ANN, "exp": NOW - LEEWAY_S}, "expired"),
    "no exp": ({"sub": "ann-1"}, "without exp"),
    "exp is null": ({**ANN, "exp": None}, "exp that is no number"),
    "exp is text": ({**ANN, "exp": "4949049509"}, "exp that is no number"),
    "exp is true": ({**ANN, "exp": True}, "exp that is no number"),
    "iat is text": ({**ANN, "iat": "now"}, "iat that is no number"),
    "begins later": ({**ANN, "nbf": NOW + LEEWAY_S + 1}, "begins in 16 s"),
    "issued ahead": ({**ANN, "iat": NOW + MAX_FUTURE_S + 1}, "the clocks differ"),
    "no subject": ({"exp": NOW + 60}, "is no session"),
    "OAuth state": ({"exp": NOW + 60, "state": "x", "value": "y"}, "is no session"),
    "empty subject": ({**ANN, "sub": ""}, "is no session"),
    "subject is an object": ({**ANN, "sub": {"id": 1}}, "is no session"),
    "a list": (b"[]", "not a JSON object"),
    "not JSON": (b"ann", "not a JSON object"),
    "not UTF-8": (b'{"sub":"\xff"}', "not a JSON object"),
}


@each_version
@pytest.mark.parametrize(("claims", "reason"), CLAIMS.values(), ids=CLAIMS.keys())
def test_claims_that_make_no_session_are_refused(
    version: Version, claims: Mapping[str, object] | bytes, reason: str
) -> None:
    assert reason in refusal(version, seal(version, claims))


def test_the_leeway_is_15_seconds_and_counts_in_valid_until() -> None:
    token = seal(5, {**ANN, "exp": NOW - 14})
    claims = reader(5).read([(plain_name(5), token)], NOW)
    assert claims is not None
    assert claims.valid_until == NOW + 1


def test_the_subject_may_lie_deeper() -> None:
    token = seal(5, {"exp": NOW + 60, "user": {"id": 42}})
    auth = NextAuth(5, [SECRET], subject_claim="user.id")
    assert auth.read([(plain_name(5), token)], NOW) is not None


def test_a_kid_that_is_not_ours_is_refused_even_if_the_key_would_open_it() -> None:
    assert "none of the secrets" in refusal(5, seal(5, header={"kid": "another"}))


def test_without_a_kid_every_secret_is_tried() -> None:
    auth = NextAuth(5, ["newer-secret-0123456789abcdef0123456789", SECRET])
    assert auth.read([(plain_name(5), seal(5))], NOW) is not None


def test_a_session_of_another_cookie_name_is_refused_in_version_5() -> None:
    assert refusal(5, seal(5, name="__Secure-authjs.session-token"))


@each_version
def test_the_secure_cookie_counts_alone(version: Version) -> None:
    secure, plain = COOKIE_NAMES[version]
    mine = seal(version, name=secure)
    planted = seal(version, {**ANN, "sub": "mallory"})
    claims = reader(version).read([(plain, planted), (secure, mine)], NOW)
    assert claims is not None
    assert claims.text("sub") == "ann-1"


@each_version
def test_a_bad_secure_cookie_is_not_replaced_by_the_plain_one(version: Version) -> None:
    secure, plain = COOKIE_NAMES[version]
    with pytest.raises(NotSignedIn):
        reader(version).read([(plain, seal(version)), (secure, "x")], NOW)


@each_version
def test_two_valid_people_under_one_name_are_refused(version: Version) -> None:
    ann, bob = seal(version), seal(version, {**ANN, "sub": "bob-1"})
    assert "two people" in refusal(version, ann, bob)


@each_version
def test_one_person_twice_under_one_name_is_that_person(version: Version) -> None:
    assert read(version, seal(version), seal(version, {**ANN, "jti": "j-2"})) == "ann-1"


@each_version
def test_an_expired_copy_beside_a_valid_one_does_not_count(version: Version) -> None:
    old = seal(version, {**ANN, "sub": "bob-1", "exp": NOW - 60})
    assert read(version, old, seal(version)) == "ann-1"


def test_many_cookies_of_one_name_are_refused_unread() -> None:
    tokens = [f"t{number}" for number in range(MAX_SAME_NAME + 1)]
    assert "5 times" in refusal(5, *tokens)


def test_a_respelt_cookie_escapes_no_revocation() -> None:
    """The last character of a 16-byte tag carries 2 bits: laxer decoders take 16 spellings."""
    token = seal(4)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    respelt = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]
    assert "none of the secrets" in refusal(4, respelt)


def test_a_proof_is_known_by_what_it_says_not_by_how_it_is_sent() -> None:
    name, token = plain_name(4), seal(4)
    whole = reader(4).read([(name, token)], NOW)
    chunked = reader(4).read([(f"{name}.0", token[:50]), (f"{name}.1", token[50:])], NOW)
    assert whole is not None
    assert chunked is not None
    assert whole.proof_id == chunked.proof_id


def test_a_proof_id_outlives_a_rotation_of_secrets() -> None:
    token = [(plain_name(5), seal(5))]
    rotated = NextAuth(5, ["newer-secret-0123456789abcdef0123456789", SECRET])
    before, after = reader(5).read(token, NOW), rotated.read(token, NOW)
    assert before is not None
    assert after is not None
    assert before.proof_id == after.proof_id


def test_the_message_tells_nothing_of_the_reason() -> None:
    with pytest.raises(NotSignedIn) as refused:
        read(5, seal(5, {**ANN, "exp": NOW - 60}))
    assert refused.value.message == (
        "Your sign-in has ended or does not hold here. Sign in to the app again."
    )


@pytest.mark.parametrize("secrets", [[], [""], [SECRET, ""]], ids=["none", "empty", "one empty"])
def test_without_a_secret_it_does_not_start(secrets: list[str]) -> None:
    with pytest.raises(ConfigError):
        NextAuth(5, secrets)


def test_keys_and_cookies_do_not_show_in_a_repr() -> None:
    key = derive_keys(5, ["c"], [SECRET])["c", "A256GCM"][0]
    found = reader(5).find([(plain_name(5), seal(5))])
    assert found is not None
    assert key.raw.hex() not in repr(key)
    assert found.values[0] not in repr(found)
