import asyncio
import json
import re
import time
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
import yaml
from tests.cells.signed_cell import (
    KEY,
    ROOT_PATH,
    SignedCell,
    attached_cell,
    provider,
    served,
    user,
)
from tests.cells.stock_phoenix import free_port, phoenix
from tests.deploy.network import namespace
from tests.deploy.postgres import postgres

from roost.cells.attached import TRUST_FILE, attach_instructions, probe
from roost.cells.certificates import ensure_certificates, publish, trust_bundle
from roost.cells.people import service_user
from roost.model import Role

DEPLOY = Path(__file__).parents[2] / "deploy"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")
HOST_SETTINGS = {
    "ROOST_PUBLIC_URL": "https://app.example.com",
    "AUTH_SECRET": "the app's secret of more than 32 characters",
    "POSTGRES_PASSWORD": "p/w:with@marks",
}
PHOENIX_PORT = 6006


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def environment_of(service: str, variables: Mapping[str, str]) -> dict[str, str]:
    """What Compose hands that service: `${NAME:-default}` and `${NAME:?message}` filled in."""
    text = VARIABLE.sub(lambda found: fill(found, variables), (DEPLOY / "compose.yaml").read_text())
    environment: dict[str, str] = yaml.safe_load(text)["services"][service]["environment"]
    return environment


def fill(found: "re.Match[str]", variables: Mapping[str, str]) -> str:
    name, kind, text = found.groups()
    if kind == "?":
        assert variables.get(name), f"{name}: {text}"
    return json.dumps(variables.get(name) or (text if kind == "-" else ""))[1:-1]


def test_the_file_follows_the_compose_specification(compose: dict[str, Any]) -> None:
    vendored = resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json"
    schema = json.loads(vendored.read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(compose)


def test_only_roost_has_a_port(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, service in services.items() if "ports" in service] == ["roost"]
    assert services["roost"]["ports"] == ["${ROOST_PUBLISH:-127.0.0.1:8420}:8420"]
    assert compose["networks"]["cells"] == {"internal": True}
    for name in ("keeper", "phoenix", "postgres"):
        assert services[name]["networks"] == ["cells"]


def test_every_service_is_checked_but_the_one_that_cannot_be(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert [name for name, one in services.items() if "healthcheck" not in one] == ["phoenix"]


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable, value in service["environment"].items():
            secret = re.search(r"SECRET|PASSWORD", variable)
            assert not secret or re.match(r"\$\{|file:/run/secrets/|/run/secrets/", value), name


def test_phoenix_sees_nothing_of_roost_s_data_but_the_trust(compose: dict[str, Any]) -> None:
    (mount,) = compose["services"]["phoenix"]["volumes"]
    assert mount["volume"] == {"subpath": "trust"}
    assert mount["read_only"]
    assert Path(TRUST_FILE).is_relative_to(mount["target"])


def test_phoenix_gets_what_attach_prints() -> None:
    told = attach_instructions(
        attached_cell("http://phoenix:6006"),
        provider_url="https://keeper:8421",
        public_url="https://app.example.com",
        root_path=ROOT_PATH,
        trust_pem="",
    )
    given = environment_of("phoenix", {**HOST_SETTINGS, **told.environment})
    database = {name: value for name, value in given.items() if "_POSTGRES_" in name}
    assert given == {**told.environment, **database}
    assert database["PHOENIX_POSTGRES_PASSWORD"] == HOST_SETTINGS["POSTGRES_PASSWORD"]


def test_the_image_is_built_from_hashed_files_without_phoenix() -> None:
    names = re.findall(r"^([a-z0-9-]+)==", (DEPLOY / "requirements.txt").read_text(), re.MULTILINE)
    assert "aiohttp" in names
    assert not [name for name in names if "phoenix" in name]
    assert "--require-hashes" in (DEPLOY / "Dockerfile").read_text()


def test_phoenix_in_another_network_is_attached_and_people_sign_in(tmp_path: Path) -> None:
    names = {"keeper": "here", "postgres": "here", "phoenix": "there"}
    with namespace(names) as net, postgres(net.here) as database:
        cell = attached_cell(f"http://{net.there}:{PHOENIX_PORT}")
        port = free_port()
        certificates = ensure_certificates(tmp_path, ["keeper"], time.time)
        told = attach_instructions(
            cell,
            provider_url=f"https://keeper:{port}",
            public_url="https://app.example.com",
            root_path=ROOT_PATH,
            trust_pem=trust_bundle(certificates.authority_pem),
        )
        publish(tmp_path / "trust.pem", told.trust_pem)
        lines = dict(line.split("=", 1) for line in told.as_lines().splitlines())
        secrets = {**HOST_SETTINGS, "POSTGRES_PASSWORD": database.password}
        environment = {
            **environment_of("phoenix", {**secrets, **lines}),
            # What a container has of its own: a disk, a file system root, a fixed port.
            "PHOENIX_WORKING_DIR": str(tmp_path),
            "SSL_CERT_FILE": str(tmp_path / "trust.pem"),
            "PHOENIX_POSTGRES_PORT": str(database.port),
            "PHOENIX_POSTGRES_USER": database.user,
            "PHOENIX_POSTGRES_DB": database.database,
        }
        oidc = provider(tmp_path, f"https://keeper:{port}", cell, time.time)
        with (
            served(oidc, net.here, port, certificates.chain),
            phoenix(environment, cell.url, tmp_path / "phoenix.log", net.prefix),
        ):
            asyncio.run(attach_and_sign_in(SignedCell(cell, oidc.codes, time.time)))


async def attach_and_sign_in(signed: SignedCell) -> None:
    sign_in = signed.sign_in()
    async with signed.client() as client:
        findings = await probe(
            client,
            sign_in,
            service_user(KEY),
            tested_versions=["20.26.1"],
            root_path=ROOT_PATH,
        )
        assert findings == []
        for role in (Role.VIEWER, Role.ADMIN):
            ann = user("Ann", role)
            token = await sign_in.token(client, ann)
            seen = await who_is(signed, token.value)
            assert seen == (f"Ann ({role.label})", ann.email, role.name)


async def who_is(signed: SignedCell, token: str) -> tuple[str, str, str]:
    """Name, address and role that Phoenix sees behind `token`."""
    query = {"query": "{ viewer { username email role { name } } }"}
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{signed.cell.url}/graphql", json=query) as answer,
    ):
        viewer = (await answer.json())["data"]["viewer"]
    return viewer["username"], viewer["email"], viewer["role"]["name"]
