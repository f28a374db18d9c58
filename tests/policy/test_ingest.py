import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model import IngestGrant
from roost.policy.decision import Refuse
from roost.policy.ingest import choose_path_project, choose_project, matches

ANY = IngestGrant()
TEAM = IngestGrant(project_pattern="team-*", default_project="team-a")


@pytest.mark.parametrize(
    ("header", "resource", "chosen"),
    [
        pytest.param(None, None, "team-a", id="neither, so the default"),
        pytest.param(None, "team-b", "team-b", id="the resource before the default"),
        pytest.param("team-c", "team-b", "team-c", id="the header before the resource"),
        pytest.param("team-c", "other", "team-c", id="the header alone is judged"),
    ],
)
def test_the_header_goes_before_the_resource_before_the_default(
    header: str | None, resource: str | None, chosen: str
) -> None:
    assert choose_project(header, resource, TEAM) == chosen


@pytest.mark.parametrize(
    ("header", "resource"),
    [
        pytest.param("other", "team-b", id="a header outside the pattern"),
        pytest.param("", "team-b", id="an empty header"),
        pytest.param(None, "", id="an empty resource attribute"),
        pytest.param(None, "my-team-b", id="a match that is not at the start"),
        pytest.param(None, "Team-b", id="other case"),
        pytest.param(None, "team-b\nx", id="a line end"),
        pytest.param(None, "team-\x00", id="a NUL"),
        pytest.param(None, "team-\u202egnp", id="a direction override"),
        pytest.param(None, "team-\ud800", id="a lone surrogate"),
        pytest.param(None, "team-b ", id="a trailing space"),
        pytest.param(None, "team-" + "b" * 256, id="too long"),
    ],
)
def test_a_refused_name_never_falls_back(header: str | None, resource: str | None) -> None:
    assert isinstance(choose_project(header, resource, TEAM), Refuse)


def test_the_default_is_judged_like_any_other_name() -> None:
    grant = IngestGrant(project_pattern="team-*", default_project="default")
    assert isinstance(choose_project(None, None, grant), Refuse)


def test_a_refusal_names_pattern_and_project() -> None:
    refusal = choose_project(None, "globex", TEAM)
    assert isinstance(refusal, Refuse)
    assert "'team-*'" in refusal.pointer
    assert "'globex'" in refusal.pointer


@pytest.mark.parametrize("name", ["a.c", "a+", "(a|b)", "[a]", "a\\d", "^a$", "ünïcode ✓"])
def test_a_pattern_is_no_regular_expression(name: str) -> None:
    assert matches(name, name)
    assert not matches(name, "abc")
    assert choose_project(name, None, ANY) == name


NARROW = st.text(alphabet="ab*.", max_size=8)


@given(pattern=NARROW, name=st.text(alphabet="ab.\n", max_size=8))
def test_matching_is_what_the_equal_regular_expression_says(pattern: str, name: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert matches(pattern, name) is bool(re.fullmatch(expression, name, re.DOTALL))


def test_matching_is_linear_in_a_hostile_pattern() -> None:
    assert not matches("*a" * 5_000 + "b", "a" * 10_000)


ONE = base64.b64encode(b"Project:1").decode()


@pytest.mark.parametrize(
    "project",
    [
        pytest.param(ONE, id="a Relay id"),
        pytest.param(f"-{ONE}", id="with a foreign character before"),
        pytest.param(base64.b64encode(b"Project:12").decode().rstrip("="), id="without padding"),
        pytest.param(base64.b64encode(b"Project:12").decode() + "team-a", id="with a tail"),
        pytest.param("-" + base64.b64encode(b"Project:12").decode(), id="padded and prefixed"),
    ],
)
def test_a_project_id_in_the_path_does_not_get_around_the_pattern(project: str) -> None:
    wide = IngestGrant(project_pattern=f"{project[0]}*{project[-1]}")
    assert matches(wide.project_pattern, project)
    assert isinstance(choose_path_project(project, wide), Refuse)


def test_a_key_for_every_project_may_name_one_by_its_id() -> None:
    assert choose_path_project(ONE, ANY) == ONE


def test_a_name_in_the_path_is_judged_by_the_pattern() -> None:
    assert choose_path_project("team-a", TEAM) == "team-a"
    assert isinstance(choose_path_project("globex", TEAM), Refuse)
