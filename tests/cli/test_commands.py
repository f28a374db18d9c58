"""What programs read from the commands: JSON and exit codes.

Keys of the JSON are a promise; more may come, none goes.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.cells.stock_phoenix import free_port
from tests.installation import Installation
from typer.testing import CliRunner

from roost.cli.main import whole

Shape = Mapping[str, tuple[type, ...]]
NOTHING = type(None)
TENANT: Shape = {"id": (str,), "slug": (str,), "name": (str,)}
MINTED: Shape = {"id": (str,), "key": (str,), "tenant": (str,), "scopes": (list,)}
KEY: Shape = {
    "id": (str,),
    "name": (str,),
    "scopes": (list,),
    "project_pattern": (str, NOTHING),
    "default_project": (str, NOTHING),
    "created_at": (float,),
    "revoked_at": (float, NOTHING),
    "last_used_at": (float, NOTHING),
}
CELL: Shape = {
    "tenant": (str,),
    "kind": (str,),
    "state": (str,),
    "detail": (str,),
    "address": (str,),
    "pid": (int, NOTHING),
    "awake_s": (float, NOTHING),
    "url": (str,),
}


def assert_shape(row: Mapping[str, object], shape: Shape) -> None:
    found = {name: isinstance(row[name], types) for name, types in shape.items() if name in row}
    assert found == dict.fromkeys(shape, True), row


@pytest.fixture
def idle(tmp_path: Path) -> Installation:
    """Settings and an empty data directory; nothing runs."""
    return Installation(tmp_path, free_port(), {})


def test_a_tenant_is_printed_when_made_and_listed(roost: Installation) -> None:
    made = json.loads(roost.cli("tenants", "create", "printed", "--name", "Printed Ltd", "--json"))
    assert_shape(made, TENANT)
    assert (made["slug"], made["name"]) == ("printed", "Printed Ltd")
    rows = json.loads(roost.cli("tenants", "list", "--json"))
    assert made in rows


def test_a_key_is_printed_once_and_listed_without_its_secret(roost: Installation) -> None:
    arguments = ("--tenant", "acme", "--scope", "ingest", "--name", "listed", "--project", "chat-*")
    made = json.loads(roost.cli("keys", "create", *arguments, "--json"))
    assert_shape(made, MINTED)
    assert (made["tenant"], made["scopes"]) == ("acme", ["ingest"])
    text = roost.cli("keys", "list", "--tenant", "acme", "--json")
    assert made["key"] not in text
    row = next(row for row in json.loads(text) if row["id"] == made["id"])
    assert_shape(row, KEY)
    assert (row["name"], row["project_pattern"], row["revoked_at"]) == ("listed", "chat-*", None)


def test_every_tenant_has_a_cell_in_the_list(roost: Installation) -> None:
    cells = json.loads(roost.cli("cells", "status", "--json"))
    for row in cells:
        assert_shape(row, CELL)
    assert {"acme", "globex"} <= {row["tenant"] for row in cells}


REFUSED = {
    "a slug that is none": ("tenants", "create", "Not A Slug"),
    "a tenant that is not there": ("keys", "list", "--tenant", "nobody"),
    "a project for a key that reads": (
        *("keys", "create", "--tenant", "acme", "--scope", "read"),
        *("--project", "chat-*"),
    ),
}


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_one_text_on_standard_error(
    roost: Installation, arguments: tuple[str, ...]
) -> None:
    done = roost.run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


EXPLAINED = {
    "a viewer reads projects": (0, ("GET", "/v1/projects")),
    "a viewer deletes none": (1, ("DELETE", "/v1/projects/chat")),
    "an admin may": (0, ("DELETE", "/v1/projects/chat", "--role", "admin")),
    "nobody asks for what no row names": (1, ("GET", "/v1/nothing-such", "--role", "admin")),
    "with the base path": (0, ("GET", "/api/phoenix/t/acme/v1/projects")),
    "a query of GraphQL": (0, ("POST", "/graphql", "--query", "{ projects { edges { cursor } } }")),
}


@pytest.mark.parametrize(("code", "arguments"), EXPLAINED.values(), ids=EXPLAINED)
def test_explain_says_by_its_exit_code_whether(code: int, arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(whole(), ["explain", *arguments, "--json"])
    assert done.exit_code == code, done.stdout
    said = json.loads(done.stdout)
    assert said["allowed"] is (code == 0)
    assert said["why"]


def test_doctor_finds_nothing_wrong_with_an_installation_that_runs_not(idle: Installation) -> None:
    done = idle.run("doctor", "--json")
    lines = json.loads(done.stdout)
    assert done.returncode == 0, lines
    assert all(set(line) == {"grade", "text", "fix"} for line in lines)
    assert {line["grade"] for line in lines} <= {"good", "note"}
    assert "no keeper runs" in [line["text"] for line in lines]


def test_doctor_lists_every_wrong_setting_and_fails(tmp_path: Path) -> None:
    wrong = {"ROOST_NONSENSE": "1", "ROOST_NEXTAUTH_SECRETS": "short"}
    done = Installation(tmp_path, free_port(), wrong).run("doctor", "--json")
    assert done.returncode == 1
    bad = [line["text"] for line in json.loads(done.stdout) if line["grade"] == "bad"]
    assert len(bad) == len(wrong)


def test_a_command_that_is_none_is_a_usage_error() -> None:
    assert CliRunner().invoke(whole(), ["nonsense"]).exit_code == 2
