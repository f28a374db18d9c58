"""The environment of cells, compared with the Phoenix that is installed (read, not imported)."""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

import pytest

from roost.cells.environment import (
    HOST_NAMES,
    SHARED,
    CellSpec,
    base_environment,
    cell_environment,
)
from roost.cells.secrets import cell_secrets
from roost.model import Slug, TenantId

ACME = CellSpec(
    tenant_id=TenantId("t-acme-1"),
    slug=Slug("acme"),
    home=Path("/data/homes/t-acme-1"),
    port=4711,
    mount="/api/phoenix/ui/acme",
    public_url="https://app.example.com",
    discovery_url="http://localhost:8422/t-acme-1/.well-known/openid-configuration",
    client_id="t-acme-1",
    secrets=cell_secrets(bytes(32), TenantId("t-acme-1")),
    egress_proxy_url="http://t-acme-1:password@127.0.0.1:8423",
)
HOST = {
    "PATH": "/usr/bin",
    "TZ": "Europe/Zurich",
    "OPENAI_API_KEY": "sk-of-the-host",
    "AWS_SECRET_ACCESS_KEY": "of-the-host",
    "PHOENIX_SQL_DATABASE_SCHEMA": "public",
    "PHOENIX_SECRET": "of-the-host",
    "HTTPS_PROXY": "http://of-the-host",
    "HOME": "/home/of-the-host",
    "LD_PRELOAD": "of-the-host.so",
    "ROOST_NEXTAUTH_SECRETS": "of-the-host",
}
AT_IMPORT: Mapping[tuple[str, str], str] = {
    ("config.py", "ensure_working_dir_if_needed"): "scratch: makes empty directories there",
    ("config.py", "get_working_dir"): "scratch: only saved trace files of notebooks go there",
    ("db/migrations/env.py", "get_env_database_schema"): "harmless: Alembic runs it in the cell",
    ("db/migrations/env.py", "run_migrations_online"): "harmless: Alembic runs it in the cell",
    ("db/models.py", "get_env_database_schema"): "shared: never set, a database each",
    (
        "server/api/routers/auth.py",
        "get_env_brute_force_login_protection_max_attempts",
    ): "shared: never set, no passwords",
    (
        "server/api/routers/auth.py",
        "get_env_disable_brute_force_login_protection",
    ): "shared: never set, no passwords",
    ("server/api/routers/client_errors.py", "get_env_disable_rate_limit"): "shared: set in both",
    ("server/api/routers/oauth2.py", "get_env_disable_rate_limit"): "shared: set in both",
    (
        "server/api/routers/oauth2_authorization_server.py",
        "get_env_disable_rate_limit",
    ): "shared: set in both",
    (
        "server/api/routers/oauth2_authorization_server.py",
        "get_env_oauth2_consent_origin_check",
    ): "harmless: that server is off",
    (
        "server/api/routers/oauth2_authorization_server.py",
        "get_env_oauth2_dcr_rate_limit_per_hour",
    ): "harmless: that server is off",
    ("server/app.py", "get_env_host"): "harmless: a default that the server replaces",
    ("server/app.py", "get_env_port"): "harmless: a default that the server replaces",
}
"""What Phoenix reads from the environment while it is imported, and why a fork may inherit it."""
READERS = ("environ", "expandvars", "getenv")
DIRECTLY = "the environment itself"


def test_nothing_of_the_host_reaches_a_cell_but_what_is_listed() -> None:
    environment = base_environment(HOST, Path("/data/scratch")) | cell_environment(ACME)
    assert "of-the-host" not in repr(environment)
    assert (environment["PATH"], environment["TZ"]) == ("/usr/bin", "Europe/Zurich")


def test_what_the_host_may_pass_on_holds_no_secret_by_its_name() -> None:
    assert not [name for name in HOST_NAMES if re.search("KEY|SECRET|TOKEN|PASS|PROXY", name)]


def test_the_base_environment_names_no_tenant_and_no_secret() -> None:
    base = base_environment(HOST, Path("/data/scratch"))
    tenants_own = cell_environment(ACME).items() - base.items()
    assert "acme" not in repr(base)
    assert not {name for name, _ in tenants_own} & SHARED.keys()


def test_a_database_of_its_own_is_taken() -> None:
    url = "postgresql://p_1:secret@127.0.0.1/p_1"
    environment = cell_environment(replace(ACME, database_url=url))
    assert environment["PHOENIX_SQL_DATABASE_URL"] == url


def test_a_cell_lives_in_its_home_and_at_its_mount() -> None:
    environment = cell_environment(ACME)
    assert environment["PHOENIX_SQL_DATABASE_URL"] == (
        "sqlite:////data/homes/t-acme-1/phoenix/phoenix.db"
    )
    assert environment["PHOENIX_ROOT_URL"] == "https://app.example.com/api/phoenix/ui/acme"
    assert environment["PHOENIX_COOKIES_PATH"] == environment["PHOENIX_HOST_ROOT_PATH"]
    assert {environment["HOME"], environment["PHOENIX_WORKING_DIR"]} == {str(ACME.working_dir)}


def test_only_the_oidc_port_is_reached_without_the_proxy() -> None:
    environment = cell_environment(ACME)
    assert environment["NO_PROXY"] == environment["no_proxy"] == "http://localhost:8422"
    assert environment["https_proxy"] == environment["ALL_PROXY"] == ACME.egress_proxy_url


def test_without_a_proxy_there_is_no_proxy() -> None:
    assert not [name for name in cell_environment(_without_proxy()) if "proxy" in name.lower()]


def test_secrets_are_not_in_the_repr_of_a_spec() -> None:
    assert ACME.secrets.admin not in repr(ACME)
    assert "password" not in repr(ACME)


def test_phoenix_knows_every_name_that_is_set() -> None:
    known = set(re.findall(r'"(PHOENIX_\w+|[A-Z_]+)",?(?:\s|$|\))', _text("config.py")))
    ours = base_environment({}, Path("/scratch")) | cell_environment(ACME)
    names = {re.sub(r"^PHOENIX_OAUTH2_ROOST_", "", name) for name in ours if "PHOENIX" in name}
    assert not names - known


def test_what_phoenix_reads_while_it_is_imported_has_a_verdict() -> None:
    assert set(_reads_at_import()) == AT_IMPORT.keys()


@pytest.mark.parametrize("name", sorted({name for path, name in AT_IMPORT if "migra" not in path}))
def test_nothing_that_is_read_at_import_differs_between_tenants(name: str) -> None:
    read = _variables_of(name)
    assert read
    base = base_environment(HOST, Path("/data/scratch"))
    own = {key for key, value in cell_environment(ACME).items() if base.get(key) != value}
    harmless = {"PHOENIX_WORKING_DIR", "PHOENIX_SQL_DATABASE_URL", "PHOENIX_PORT"}
    assert not (read & own) - harmless


def _without_proxy() -> CellSpec:
    return replace(ACME, egress_proxy_url=None)


def _phoenix() -> Path:
    if sys.platform == "win32":
        pytest.skip("Phoenix is run on POSIX only")
    return Path(str(distribution("arize-phoenix").locate_file("phoenix")))


@cache
def _text(path: str) -> str:
    return (_phoenix() / path).read_text(encoding="utf-8")


@cache
def _trees() -> dict[str, ast.Module]:
    root = _phoenix()
    paths = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.py"))]
    return {path: ast.parse(_text(path)) for path in paths}


@cache
def _reading_functions() -> frozenset[str]:
    """Names of module-level functions that read the environment, themselves or by another."""
    reads: dict[str, set[str]] = {}
    for tree in _trees().values():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                reads.setdefault(node.name, set()).update(map(_read_by, ast.walk(node)))
    reading = {DIRECTLY}
    while found := {name for name in reads.keys() - reading if reads[name] & reading}:
        reading |= found
    return frozenset(reading)


def _read_by(node: ast.AST) -> str:
    """DIRECTLY where the node reads the environment, else the function that it calls, else ""."""
    if isinstance(node, ast.Attribute | ast.Name):
        name = node.attr if isinstance(node, ast.Attribute) else node.id
        return DIRECTLY if name in READERS else ""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr if node.func.attr.startswith("get_env") else ""
    return ""


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What is evaluated when a module is imported: not the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = [default for default in child.args.kw_defaults if default is not None]
            for part in [*child.decorator_list, *child.args.defaults, *defaults]:
                yield part
                yield from _run_at_import(part)
        elif not isinstance(child, ast.Lambda) and not _is_main_guard(child):
            yield child
            yield from _run_at_import(child)


def _is_main_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _reads_at_import() -> Iterator[tuple[str, str]]:
    reading = _reading_functions()
    for path, tree in _trees().items():
        for node in _run_at_import(tree):
            if (name := _read_by(node)) in reading:
                yield path, name


@cache
def _variables_of(function: str) -> frozenset[str]:
    """The environment variables that a function of Phoenix's config reads, by whatever way."""
    tree = _trees()["config.py"]
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    constants = dict(re.findall(r'^(ENV_\w+) = \(?\s*"(\w+)"', _text("config.py"), re.MULTILINE))
    seen, todo, found = set(), [function], set()
    while todo:
        name = todo.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        used = {node.id for node in ast.walk(functions[name]) if isinstance(node, ast.Name)}
        found |= {constants[each] for each in used if each in constants}
        todo += used
    return frozenset(found)
