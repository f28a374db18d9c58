"""`roost backfill` from a stock Phoenix, over REST and from its file, into a running Roost."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.cells.stock_phoenix import free_port, until
from tests.cli.former_phoenix import (
    CHAT,
    CHAT_SPANS,
    DOCS,
    DOCS_SPANS,
    SECRET,
    FormerPhoenix,
    door,
    former_phoenix,
    trace_id,
)
from tests.faults.small import small_roost
from tests.installation import Installation
from typer.testing import CliRunner, Result

from roost.cli.main import whole

TENANTS = ("acme", "globex", "filed", "halved", "dry", "renamed")
KEY = {"FORMER_KEY": SECRET}
INDEXED_S = 30.0
COMMAND = (sys.executable, "-m", "roost.cli", "backfill")


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FormerPhoenix]:
    with former_phoenix(tmp_path_factory.mktemp("former")) as one:
        yield one


@pytest.fixture(scope="module")
def roost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Its commands are run in this process, too."""
    with (
        small_roost(tmp_path_factory.mktemp("roost"), KEY) as one,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in one.environment().items():
            patch.setenv(name, value)
        for slug in TENANTS:
            told("tenants", "create", slug)
        yield one


def command(*arguments: str) -> Result:
    return CliRunner().invoke(whole(), arguments)


def told(*arguments: str) -> Any:
    """What a command prints as JSON; AssertionError where it fails."""
    done = command(*arguments, "--json")
    assert done.exit_code == 0, (done.stdout, done.stderr, done.exception)
    return json.loads(done.stdout)


def reader(roost: Installation, tenant: str) -> httpx.Client:
    return roost.client(told("keys", "create", "--tenant", tenant, "--scope", "read")["key"])


def rest(former: FormerPhoenix) -> tuple[str, ...]:
    return ("--from", former.url, "--key", "env:FORMER_KEY")


def backfilled(tenant: str, *arguments: str) -> dict[str, Any]:
    """The summary."""
    said: dict[str, Any] = told("backfill", tenant, *arguments)
    return said


def brought(said: dict[str, Any]) -> dict[str, int]:
    return {one["project"]: one["spans"] for one in said["projects"] if one["spans"]}


EVERYTHING = {CHAT: CHAT_SPANS, DOCS: DOCS_SPANS}


def spans_of(roost: Installation, tenant: str) -> dict[str, dict[str, Any]]:
    """All that the tenant has, with all they hold, by id; AssertionError for one that is twice."""
    with reader(roost, tenant) as client:
        lines = client.get("/api/traces/export?bodies=true").text.splitlines()
    spans = [json.loads(line) for line in lines]
    found = {one["span_id"]: one for one in spans}
    assert len(found) == len(spans)
    return found


def until_indexed(roost: Installation, tenant: str, count: int) -> None:
    def there() -> bool:
        rows = told("ingest", "status")
        row = next(one for one in rows if one["tenant"] == tenant)
        return bool(row["indexed"] == row["received"])

    until(there, "it was indexed", INDEXED_S)
    assert len(spans_of(roost, tenant)) == count


def assert_same(roost: Installation, tenant: str, former: FormerPhoenix) -> None:
    """What the tenant has is what the former Phoenix tells."""
    until_indexed(roost, tenant, CHAT_SPANS + DOCS_SPANS)
    ours = spans_of(roost, tenant)
    for theirs in ({**former.spans(CHAT), **former.spans(DOCS)}).values():
        mine = ours[theirs["context"]["span_id"]]
        assert mine["name"] == theirs["name"]
        assert mine["trace_id"] == theirs["context"]["trace_id"]
        assert (mine["parent_id"] or None) == theirs["parent_id"]
        assert flat(mine["attributes"]) == {
            **flat(theirs["attributes"]),
            **({} if theirs["span_kind"] == "UNKNOWN" else {"openinference.span.kind": "LLM"}),
        }


def flat(value: object, prefix: str = "") -> dict[str, object]:
    if isinstance(value, str) and prefix == "metadata." and value.startswith("{"):
        value = json.loads(value)
    if isinstance(value, list) and any(isinstance(one, dict) for one in value):
        value = {str(at): one for at, one in enumerate(value)}
    if not isinstance(value, dict):
        return {prefix[:-1]: value}
    found: dict[str, object] = {}
    for name, one in value.items():
        found |= flat(one, f"{prefix}{name}.")
    return found


def test_all_of_it_comes_over_rest_and_the_second_time_nothing(
    roost: Installation, former: FormerPhoenix
) -> None:
    said = backfilled("acme", *rest(former))
    assert brought(said) == EVERYTHING
    assert (said["annotations"], said["rejected"], said["rejects_file"]) == (3, 0, "")
    assert_same(roost, "acme", former)
    again = backfilled("acme", *rest(former))
    assert (again["spans"], again["annotations"]) == (0, 0)
    assert spans_of(roost, "globex") == {}


def test_all_of_it_comes_from_the_file(roost: Installation, former: FormerPhoenix) -> None:
    before = former.file.read_bytes()
    said = backfilled("filed", "--from-file", str(former.file))
    assert (brought(said), said["annotations"]) == (EVERYTHING, 3)
    assert former.file.read_bytes() == before
    assert_same(roost, "filed", former)
    with reader(roost, "filed") as client:
        found = client.get(f"/api/traces/{trace_id(CHAT, 0)}/annotations").json()["annotations"]
    shown = {(one["of"], one["name"], one["label"], one["score"]) for one in found}
    assert shown == {("span", "quality", "good", None), ("trace", "quality", None, 0.5)}
    assert all(one["identifier"] == "imported:px-app:3" for one in found)
    over_rest = backfilled("filed", *rest(former))
    assert over_rest["spans"] == 0, "the file's places hold for the address too"


def test_interrupted_and_begun_again_gives_the_same(
    roost: Installation, former: FormerPhoenix
) -> None:
    # One page is of the project `default`, which is empty.
    with door(former.url, pages=2) as (url, asked):
        process = subprocess.Popen(
            [*COMMAND, "halved", "--from", url, "--key", "env:FORMER_KEY"],
            env=roost.environment(),
            stderr=subprocess.PIPE,
        )
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"goes on from here" in stderr
    assert 0 < len(spans_of(roost, "halved")) < CHAT_SPANS
    said = backfilled("halved", *rest(former))
    assert brought(said) == {CHAT: CHAT_SPANS - 500, DOCS: DOCS_SPANS}
    assert_same(roost, "halved", former)


def test_a_dry_run_counts_and_changes_nothing(roost: Installation, former: FormerPhoenix) -> None:
    said = backfilled("dry", *rest(former), "--dry-run")
    assert (brought(said), said["dry_run"]) == (EVERYTHING, True)
    assert spans_of(roost, "dry") == {}
    rows = told("ingest", "status")
    assert next(row["received"] for row in rows if row["tenant"] == "dry") == 0
    tenants = told("tenants", "list")
    home = next(one["id"] for one in tenants if one["slug"] == "dry")
    assert not (roost.data_dir / "homes" / home / "backfill").exists()


def test_projects_are_chosen_and_renamed(roost: Installation, former: FormerPhoenix) -> None:
    wish = ("--project", "docs*", "--prefix", "old ", "--since", "2020-01-01")
    said = backfilled("renamed", *rest(former), *wish)
    assert [(one["into"], one["spans"]) for one in said["projects"]] == [
        (f"old {DOCS}", DOCS_SPANS)
    ]
    nothing = backfilled("renamed", "--from-file", str(former.file), "--since", "2031-01-01")
    assert nothing["spans"] == 0


REFUSED = {
    "no such tenant": ("nobody", "--from-file", "{file}"),
    "no source": ("acme",),
    "two sources": ("acme", "--from", "{url}", "--from-file", "{file}"),
    "a key on the command line": ("acme", "--from", "{url}", "--key", SECRET),
    "a key that is not set": ("acme", "--from", "{url}", "--key", "env:NO_SUCH_KEY"),
    "a wrong key": ("acme", "--from", "{url}", "--key", "env:PATH"),
    "no key": ("acme", "--from", "{url}"),
    "nobody there": ("acme", "--from", "http://127.0.0.1:{free}"),
    "no Phoenix there": ("acme", "--from", "{roost}"),
    "no database": ("acme", "--from-file", __file__),
    "no time": ("acme", "--from-file", "{file}", "--since", "yesterday"),
    "two targets": ("acme", "--from-file", "{file}", "--into", "a", "--prefix", "b"),
}


@pytest.mark.parametrize("arguments", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_with_one_text(
    roost: Installation, former: FormerPhoenix, arguments: tuple[str, ...]
) -> None:
    places = {"url": former.url, "file": former.file, "free": free_port(), "roost": roost.url}
    done = command("backfill", *(one.format(**places) for one in arguments))
    assert done.exit_code == 1
    error = done.exception
    assert type(error).__module__ == "roost.errors", error
    assert SECRET not in str(error)
    assert os.environ["PATH"] not in str(error)
