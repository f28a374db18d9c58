from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from starlette.testclient import TestClient
from tests.cells.signed_cell import Clock, attached_cell, provider, user

from roost.cells.codes import CODE_LIFETIME_S, Challenge, Codes, s256
from roost.cells.sso import MAX_FORM_BYTES, Provider
from roost.model import Role

ACME = attached_cell("http://acme", "t-acme")
GLOBEX = attached_cell("http://globex", "t-globex")
VERIFIER = "a verifier of forty three characters or more"
CHALLENGE = Challenge(ACME.client_id, "http://app/ui/acme/tokens", "the nonce", s256(VERIFIER))
TOKEN = f"/{ACME.client_id}/token"
NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def oidc(tmp_path_factory: pytest.TempPathFactory) -> Provider:
    made = provider(tmp_path_factory.mktemp("sso"), "http://127.0.0.1:1", ACME, Clock(NOW))
    secrets = {cell.client_id: cell.client_secret for cell in (ACME, GLOBEX)}
    return replace(made, secret_of=secrets.get)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def codes(clock: Clock) -> Codes:
    return Codes(clock)


@pytest.fixture
def http(oidc: Provider, codes: Codes, clock: Clock) -> Iterator[TestClient]:
    with TestClient(replace(oidc, codes=codes, clock=clock).app()) as client:
        yield client


def form(minted: str, **changes: str) -> dict[str, str]:
    whole = {
        "grant_type": "authorization_code",
        "code": minted,
        "redirect_uri": CHALLENGE.redirect_uri,
        "code_verifier": VERIFIER,
        "client_id": ACME.client_id,
        "client_secret": ACME.client_secret,
        **changes,
    }
    return {name: value for name, value in whole.items() if value}


def test_discovery_names_endpoints_of_that_client(http: TestClient) -> None:
    found = http.get(f"/{ACME.client_id}/.well-known/openid-configuration").json()
    assert found["issuer"] == f"http://127.0.0.1:1/{ACME.client_id}"
    assert found["token_endpoint"] == f"{found['issuer']}/token"
    assert found["jwks_uri"] == f"{found['issuer']}/jwks"


def test_the_advertised_authorization_endpoint_is_not_there(http: TestClient) -> None:
    found = http.get(f"/{ACME.client_id}/.well-known/openid-configuration").json()
    assert http.get(found["authorization_endpoint"]).status_code == 404


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
def test_an_unknown_client_does_not_exist(http: TestClient, path: str) -> None:
    assert http.get(f"/t-initech{path}").status_code == 404


@pytest.mark.parametrize("basic", [True, False], ids=["basic", "post"])
def test_a_code_becomes_an_id_token(http: TestClient, codes: Codes, basic: bool) -> None:
    ann = user("Ann", Role.ADMIN)
    code = codes.mint(ann, CHALLENGE)
    if basic:
        unnamed = form(code, client_id="", client_secret="")
        answer = http.post(TOKEN, data=unnamed, auth=(ACME.client_id, ACME.client_secret))
    else:
        answer = http.post(TOKEN, data=form(code))
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    keys = KeySet.import_key_set(http.get(f"/{ACME.client_id}/jwks").json())
    assert jwt.decode(answer.json()["id_token"], keys, algorithms=["RS256"]).claims == {
        "iss": f"http://127.0.0.1:1/{ACME.client_id}",
        "aud": ACME.client_id,
        "sub": ann.sub,
        "email": ann.email,
        "name": "Ann (admin)",
        "role": "ADMIN",
        "nonce": "the nonce",
        "iat": NOW,
        "exp": NOW + 60,
    }


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"code_verifier": "another verifier"}, 400, "invalid_grant"),
        ({"redirect_uri": "http://evil"}, 400, "invalid_grant"),
        ({"code": "no code"}, 400, "invalid_grant"),
        ({"code": ""}, 400, "invalid_request"),
        ({"code_verifier": ""}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 400, "unsupported_grant_type"),
        ({"client_secret": GLOBEX.client_secret}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        (
            {"client_id": GLOBEX.client_id, "client_secret": GLOBEX.client_secret},
            401,
            "invalid_client",
        ),
        ({"padding": "x" * MAX_FORM_BYTES}, 400, "invalid_request"),
    ],
    ids=[
        "verifier",
        "redirect_uri",
        "code",
        "no code",
        "no verifier",
        "no grant type",
        "grant type",
        "secret of another cell",
        "no secret",
        "another cell",
        "size",
    ],
)
def test_what_does_not_fit_is_refused(
    http: TestClient, codes: Codes, changes: dict[str, str], status: int, error: str
) -> None:
    code = codes.mint(user("Ann"), CHALLENGE)
    answer = http.post(TOKEN, data=form(code, **changes))
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert answer.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in answer.headers) is (status == 401)


def test_two_ways_of_client_authentication_are_one_too_many(http: TestClient, codes: Codes) -> None:
    code = codes.mint(user("Ann"), CHALLENGE)
    answer = http.post(TOKEN, data=form(code), auth=(ACME.client_id, ACME.client_secret))
    assert answer.json() == {"error": "invalid_request"}


def test_a_parameter_twice_is_refused(http: TestClient) -> None:
    answer = http.post(TOKEN, content="code=a&code=b")
    assert answer.json() == {"error": "invalid_request"}


@pytest.mark.parametrize("header", ["Basic !!!", "Basic /w==", "Bearer abc", "Basic"])
def test_a_garbled_authorization_is_no_client(http: TestClient, header: str) -> None:
    answer = http.post(TOKEN, content="grant_type=x", headers={"Authorization": header})
    assert answer.json() == {"error": "invalid_client"}


def test_a_code_works_once(http: TestClient, codes: Codes) -> None:
    code = codes.mint(user("Ann"), CHALLENGE)
    assert http.post(TOKEN, data=form(code)).status_code == 200
    assert http.post(TOKEN, data=form(code)).json() == {"error": "invalid_grant"}


def test_a_failed_attempt_burns_the_code(http: TestClient, codes: Codes) -> None:
    code = codes.mint(user("Ann"), CHALLENGE)
    assert http.post(TOKEN, data=form(code, code_verifier="guessed")).status_code == 400
    assert http.post(TOKEN, data=form(code)).json() == {"error": "invalid_grant"}


def test_a_code_of_another_cell_is_refused_and_stays_good(http: TestClient, codes: Codes) -> None:
    code = codes.mint(user("Ann"), CHALLENGE)
    theirs = form(code, client_id=GLOBEX.client_id, client_secret=GLOBEX.client_secret)
    answer = http.post(f"/{GLOBEX.client_id}/token", data=theirs)
    assert answer.json() == {"error": "invalid_grant"}
    assert http.post(TOKEN, data=form(code)).status_code == 200


def test_a_code_expires(http: TestClient, codes: Codes, clock: Clock) -> None:
    code = codes.mint(user("Ann"), CHALLENGE)
    clock.now += CODE_LIFETIME_S
    assert http.post(TOKEN, data=form(code)).json() == {"error": "invalid_grant"}


def test_a_restart_forgets_every_code(http: TestClient, clock: Clock) -> None:
    code = Codes(clock).mint(user("Ann"), CHALLENGE)
    assert http.post(TOKEN, data=form(code)).json() == {"error": "invalid_grant"}


def test_a_code_shows_nothing_of_its_user(codes: Codes) -> None:
    assert user("Ann").sub not in codes.mint(user("Ann"), CHALLENGE)
    header = codes.mint(user("Ann"), CHALLENGE).split(".")
    assert len(header) == 5


def test_the_key_survives_while_codes_do_not(tmp_path: Path) -> None:
    first, again = (provider(tmp_path, "http://r", ACME, Clock(NOW)).key for _ in range(2))
    assert first.kid == again.kid
