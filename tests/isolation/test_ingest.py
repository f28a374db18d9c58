"""Spans go where their key belongs, whatever project, header or proof is named beside it."""

from collections.abc import Iterator, Mapping

import httpx
import pytest
from tests.cells.stock_phoenix import until
from tests.ingest.spans import PROTOBUF, group, request, span
from tests.installation import Installation
from tests.isolation.conftest import THEIRS, Both
from tests.isolation.rows import all_rows, home_of

BATCH = request(group([span("stray")], THEIRS)).SerializeToString()
"""The resource names the other tenant's project."""
TYPE = {"content-type": PROTOBUF}


@pytest.fixture(scope="module")
def keys(roost: Installation, both: Both) -> Mapping[str, str]:
    narrow = roost.key("acme", "ingest", options=("--project", "acme-*"))
    return {
        "acme": roost.key("acme", "ingest"),
        "narrow": narrow,
        "globex": roost.key("globex", "ingest"),
    }


@pytest.fixture
def untouched(roost: Installation, both: Both) -> Iterator[None]:
    """Not one of globex's spans, traces or projects is new, gone or changed."""
    home = home_of(roost, "globex")
    tables = ("projects", "project_sessions", "spans", "traces")
    before = {table: all_rows(home)[table] for table in tables}
    yield
    assert {table: all_rows(home)[table] for table in tables} == before


def send(roost: Installation, path: str, headers: list[tuple[str, str]]) -> httpx.Response:
    everything = [*TYPE.items(), *headers]
    return httpx.post(roost.base + path, content=BATCH, headers=everything, timeout=60)


def bearer(key: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {key}")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 200),
        ([("x-project-name", THEIRS)], 200),
        ([("x_project_name", THEIRS)], 200),
        ([("X-Project-Name", THEIRS), ("X-Project-Name", "acme-own")], 400),
        ([("x-roost-tenant", "globex"), ("x-tenant", "globex")], 200),
    ],
    ids=["resource", "header", "underscores", "twice", "tenant"],
)
def test_their_project_s_name_is_one_s_own_project(
    roost: Installation, keys: Mapping[str, str], headers: list[tuple[str, str]], status: int
) -> None:
    assert send(roost, "/v1/traces", [bearer(keys["acme"]), *headers]).status_code == status
    home = home_of(roost, "acme")
    until(lambda: "'stray'" in repr(all_rows(home)["spans"]), "acme had it", 30)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("headers", [[], [("x-project-name", THEIRS)]], ids=["resource", "header"])
def test_a_narrow_key_enters_no_project_beyond_its_pattern(
    roost: Installation, keys: Mapping[str, str], headers: list[tuple[str, str]]
) -> None:
    answer = send(roost, "/v1/traces", [bearer(keys["narrow"]), *headers])
    assert answer.status_code == 400
    assert "acme-*" in answer.text


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("path", ["/t/globex/v1/traces", f"/t/globex/v1/projects/{THEIRS}/spans"])
def test_a_key_enters_no_other_tenant(
    roost: Installation, keys: Mapping[str, str], path: str
) -> None:
    assert send(roost, path, [bearer(keys["acme"])]).status_code == 404


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("spelling", "status"),
    [
        (lambda key, _: [("Authorization", f"bearer  {key}")], 200),
        (lambda key, _: [("AUTHORIZATION", f"BEARER {key}")], 200),
        (lambda key, _: [("api_key", key)], 200),
        (lambda key, other: [bearer(key), ("api_key", other)], 400),
        (lambda key, other: [bearer(key), bearer(other)], 400),
        (lambda key, _: [("authorization", key)], 401),
        (lambda key, _: [("x-api-key", key)], 401),
        (lambda key, _: [bearer(key[:-1] + ("a" if key[-1] != "a" else "b"))], 401),
    ],
    ids=["lower", "upper", "api_key", "two keys", "twice", "no scheme", "x-api-key", "mistyped"],
)
def test_one_key_in_its_own_header_is_what_counts(
    roost: Installation, keys: Mapping[str, str], spelling: object, status: int
) -> None:
    assert callable(spelling)
    headers = spelling(keys["acme"], keys["globex"])
    assert send(roost, "/v1/traces", headers).status_code == status


@pytest.mark.usefixtures("untouched")
def test_a_key_beside_somebody_else_s_cookie_is_refused(
    roost: Installation, keys: Mapping[str, str]
) -> None:
    cookies = "; ".join(f"{k}={v}" for k, v in roost.cookie("Bob", "globex").items())
    answer = send(roost, "/v1/traces", [bearer(keys["acme"]), ("cookie", cookies)])
    assert answer.status_code == 401


def test_an_ingest_key_reads_nothing(roost: Installation, keys: Mapping[str, str]) -> None:
    with roost.client(keys["acme"]) as client:
        for path in (
            "/v1/projects",
            f"/v1/projects/{THEIRS}/spans",
            "/t/acme/v1/user",
            "/ui/acme/",
        ):
            answer = client.get(path)
            assert answer.status_code in (403, 404), path
            assert THEIRS not in answer.text
        query = {"query": "{ projects { edges { node { name } } } }"}
        assert "data" not in client.post("/t/acme/graphql", json=query).json()
