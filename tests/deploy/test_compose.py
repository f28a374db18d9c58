import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
import yaml
from tests.cells.signed_cell import ROOT_PATH, attached_cell
from tests.cells.stock_phoenix import free_port, phoenix, until
from tests.deploy.network import namespace
from tests.deploy.postgres import Postgres, postgres
from tests.installation import Installation

from roost.cells.attached import TRUST_FILE, attach_instructions

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
    """As the README beside the file says: keeper and gateway, a tenant, attach, Phoenix, attach."""
    names = {"keeper": "here", "postgres": "here", "phoenix": "there"}
    with namespace(names) as net, postgres(net.here) as database:
        port = free_port()
        roost = Installation(tmp_path / "roost", free_port(), keeper_settings(net.here, port))
        url = f"http://{net.there}:{PHOENIX_PORT}"
        with running(roost, "keeper"), running(roost, "gateway"):
            roost.tenant("acme")
            asked = roost.run("cells", "attach", "acme", "--url", url)
            assert asked.returncode == 1
            assert "does not answer as Phoenix" in asked.stderr
            told = dict(line.split("=", 1) for line in asked.stdout.splitlines() if "=" in line)
            with phoenix(
                container_environment(told, database, roost.data_dir / "trust", tmp_path),
                f"{url}",
                tmp_path / "phoenix.log",
                net.prefix,
            ):
                roost.cli("cells", "attach", "acme", "--url", url)
                assert roost.cells()["acme"]["state"] == "attached"
                assert seen_by(roost, "viewer") == ("Ann (viewer)", "VIEWER")
                assert seen_by(roost, "admin") == ("Ann (admin)", "ADMIN")


def keeper_settings(host: str, port: int) -> dict[str, str]:
    """The keeper's as the file has them, on this test's own network and port."""
    given = environment_of("keeper", HOST_SETTINGS)
    assert given["ROOST_INTERNAL_NAMES"] == "keeper"
    return {
        "ROOST_INTERNAL_HOST": host,
        "ROOST_INTERNAL_PORT": str(port),
        "ROOST_INTERNAL_NAMES": given["ROOST_INTERNAL_NAMES"],
    }


def container_environment(
    told: Mapping[str, str], database: Postgres, trust: Path, disk: Path
) -> dict[str, str]:
    secrets = {**HOST_SETTINGS, "POSTGRES_PASSWORD": database.password}
    return {
        **environment_of("phoenix", {**secrets, **told}),
        # What a container has of its own: a disk, a mount, a fixed port.
        "PHOENIX_WORKING_DIR": str(disk),
        "SSL_CERT_FILE": str(trust / "trust.pem"),
        "PHOENIX_POSTGRES_PORT": str(database.port),
        "PHOENIX_POSTGRES_USER": database.user,
        "PHOENIX_POSTGRES_DB": database.database,
    }


@contextmanager
def running(roost: Installation, command: str) -> Iterator[None]:
    """`roost keeper` or `roost gateway` as a process, until it answers."""
    roost.data_dir.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "roost.cli", command],
        env=roost.environment(),
        cwd=roost.data_dir,
        stdin=subprocess.DEVNULL,
    )
    try:
        socket = roost.data_dir / "keeper.sock"
        if command == "keeper":
            until(socket.exists, "the keeper listened", 60)
        else:
            until(lambda: answers(roost), "the gateway answered", 60)
        yield
    finally:
        process.terminate()
        process.wait(60)


def answers(roost: Installation) -> bool:
    try:
        return httpx.get(f"{roost.base}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def seen_by(roost: Installation, role: str) -> tuple[str, str]:
    """Name and role that Phoenix sees behind Ann's session."""
    with roost.client(roost.cookie("Ann", "acme", role)) as client:
        user = client.get("/t/acme/v1/user").json()["data"]
    return user["username"], user["role"]
