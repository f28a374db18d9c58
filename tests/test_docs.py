"""The docs say what the code does, and lead where they say.

Rule: what can be compared is compared: commands, settings, messages, dependencies, links.
"""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.cli.reference import command_names, pages
from roost.settings import NOT_SETTINGS, PREFIX, Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part[0] == "." or part == "node_modules" for part in page.relative_to(ROOT).parts)
)
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_COMMAND = re.compile(r"(?:^|&&|exec \w+) *(roost (?:[a-z]+ ?)+)", re.MULTILINE)
_VARIABLE = re.compile(rf"\b{PREFIX}[A-Z][A-Z_]*\b")
_PACKAGE = re.compile(r"[A-Za-z0-9._-]+")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def blocks(page: Path, *languages: str) -> Iterator[str]:
    return (text for kind, text in _FENCE.findall(page.read_text()) if kind in languages)


def prose(page: Path) -> str:
    return _CODE.sub("", _FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("name", pages())
def test_a_generated_page_is_the_one_that_the_code_gives(name: str) -> None:
    assert (DOCS / name).read_text() == pages()[name], "run `python -m roost.cli.reference`"


@every_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(prose(page)) if not link.startswith("http")]
    assert [link for link in links if not leads_somewhere(page, link)] == []


@every_page
def test_every_command_exists(page: Path) -> None:
    shell = "".join(blocks(page, "bash", "sh"))
    assert [typed for typed in _COMMAND.findall(shell) if not is_command(typed)] == []


def is_command(typed: str) -> bool:
    """Whether it is a command with its arguments, not just the name of a group."""
    words = typed.split()
    return any(" ".join(words[:count]) in command_names() for count in (2, 3))


@every_page
def test_every_variable_is_a_setting(page: Path) -> None:
    named = set(_VARIABLE.findall(page.read_text()))
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    examples = {"ROOST_URL", "ROOST_PUBLISH"}  # of the Next.js host, and of the Compose file
    strangers = named - known - examples
    assert [name for name in strangers if not name.startswith(NOT_SETTINGS)] == []


@every_page
def test_every_toml_block_is_made_of_settings(page: Path) -> None:
    names = {name for block in blocks(page, "toml") for name in tomllib.loads(block)}
    assert names - set(Settings.model_fields) == set()


def test_every_quoted_message_is_said_by_the_source() -> None:
    said = "\n".join(texts_of_the_source())
    quoted = re.findall(r"^> (.+)$", (DOCS / "troubleshooting.md").read_text(), re.MULTILINE)
    parts = [part.strip() for message in quoted for part in message.split("…")]
    assert quoted
    assert [part for part in parts if part not in said] == []


def texts_of_the_source() -> Iterator[str]:
    """Each literal as it is shown, with `…` for what is filled in."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(map(shown, node.values))
            else:
                yield shown(node)


def shown(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return "…"


def test_every_direct_dependency_has_its_row_and_no_row_is_stale() -> None:
    table = (DOCS / "dependencies.md").read_text()
    cells = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    rows = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert sorted(rows) == sorted(set(python_dependencies()) | set(npm_dependencies()))


def python_dependencies() -> Iterator[str]:
    for path in (ROOT / "pyproject.toml", *ROOT.glob("examples/*/pyproject.toml")):
        content = tomllib.loads(path.read_text())
        project = content["project"]
        optional = project.get("optional-dependencies", {}).values()
        groups = content.get("dependency-groups", {}).values()
        for requirement in (
            one for many in [project["dependencies"], *optional, *groups] for one in many
        ):
            found = _PACKAGE.match(requirement)
            assert found is not None
            yield found[0]


def npm_dependencies() -> Iterator[str]:
    for path in (*ROOT.glob("examples/*/package.json"), *ROOT.glob("tests/data/*/package.json")):
        content = json.loads(path.read_text())
        yield from content.get("dependencies", {})
        yield from content.get("devDependencies", {})


def test_every_page_of_the_docs_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    assert [page.name for page in DOCS.glob("*.md") if f"]({page.name})" not in index] == [
        "README.md"
    ]


def test_every_decision_has_its_three_parts() -> None:
    parts = ["Context", "Decision", "Consequences"]
    decisions = sorted((DOCS / "adr").glob("*.md"))
    assert [_HEADING.findall(one.read_text())[1:] for one in decisions] == [parts] * len(decisions)
    assert [one.name[:4] for one in decisions] == [f"{at + 1:04}" for at in range(len(decisions))]


def test_the_changelog_keeps_its_form() -> None:
    headings = re.findall(r"^(##+) (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    releases = [text for level, text in headings if level == "##"]
    kinds = {text for level, text in headings if level == "###"}
    assert releases[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", one) for one in releases[1:])
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
