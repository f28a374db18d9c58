import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model import Role
from roost.policy.decision import Allow, Refuse, Treatment
from roost.policy.routes import RULES, Rule, decide_rest, grow
from roost.policy.verdict import NO_ROW, READ, WRITE, Elsewhere, Verdict

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", ""]
WORDS = sorted({part for rule in RULES for part in rule.template.split("/") if part} | {"x", "{}"})


def as_starlette_matches(method: str, path: str) -> Verdict:
    """The same rules read as Starlette reads templates; literal templates come first."""
    asked = "GET" if method == "HEAD" else method
    for rule in sorted(RULES, key=lambda rule: rule.template.count("{")):
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(rule.template))
        if rule.method == asked and re.fullmatch(pattern, path):
            return rule.verdict
    return NO_ROW


@given(st.sampled_from(METHODS), st.lists(st.sampled_from(WORDS), max_size=6))
def test_a_call_gets_the_verdict_of_the_row_that_phoenix_would_take(
    method: str, segments: list[str]
) -> None:
    path = "/" + "/".join(segments)
    assert decide_rest(method, segments) == as_starlette_matches(method, path)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.method} {rule.template}")
def test_each_row_is_found(rule: Rule) -> None:
    segments = [part.strip("{}") for part in rule.template.split("/") if part]
    assert decide_rest(rule.method, segments) == rule.verdict


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.method} {rule.template}")
def test_who_only_reads_changes_nothing(rule: Rule) -> None:
    if isinstance(rule.verdict, Allow) and rule.verdict.changes:
        assert rule.method != "GET"
        assert rule.verdict.needs >= Role.MEMBER


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", ""), ("GET", "v1"), ("GET", "v2/projects"), ("GET", "V1/projects")),
        *(("POST", "v1/projects/x"), ("GET", "v1/projects/x/y/z"), ("GET", "graphql")),
        *(("OPTIONS", "v1/projects"), ("TRACE", "v1/projects"), ("get", "v1/projects")),
        *(("GET", "docs"), ("GET", "openapi.json"), ("POST", "mcp"), ("GET", "auth/logout")),
    ],
)
def test_what_no_row_names_is_refused(method: str, path: str) -> None:
    assert decide_rest(method, path.split("/") if path else ()) is NO_ROW


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.method} {rule.template}")
def test_users_and_keys_are_refused_with_a_pointer(rule: Rule) -> None:
    if re.search(r"users|api_keys", rule.template):
        assert isinstance(rule.verdict, Refuse)
        assert rule.verdict.pointer


def test_spending_the_cell_s_credentials_needs_a_member_and_streams() -> None:
    found = decide_rest("POST", ("v1", "chat", "completions"))
    assert isinstance(found, Allow)
    assert (found.needs, found.treatment) == (Role.MEMBER, Treatment.STREAM)


@pytest.mark.parametrize(
    "path", ["v1/projects/x", "v1/traces/x", "v1/spans/x", "v1/sessions/x", "v1/projects/x/traces"]
)
def test_deleting_traces_needs_an_admin_and_is_looked_at_again(path: str) -> None:
    found = decide_rest("DELETE", path.split("/"))
    assert isinstance(found, Allow)
    assert (found.needs, found.reconcile) == (Role.ADMIN, True)


def test_spans_are_not_forwarded_but_taken_in() -> None:
    assert decide_rest("POST", ("v1", "projects", "any name", "spans")) is Elsewhere.INGEST


def test_two_verdicts_on_one_call_are_a_mistake_in_the_table() -> None:
    rows = [Rule("GET", "/a/{x}", READ), Rule("GET", "/a/{y}", WRITE)]
    with pytest.raises(ValueError, match=r"two rows for GET /a/\{y\}"):
        grow(rows)
