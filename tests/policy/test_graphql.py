"""A refused field is refused however it is wrapped; what is sent is what was judged."""

import time
from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.errors import BadRequest, TooLarge
from roost.model import Role
from roost.policy.decision import Allow, Refuse, Treatment
from roost.policy.graphql import MAX_BODY_BYTES, MAX_DOCUMENT_CHARS, Judged, judge
from roost.policy.operations import MUTATIONS, QUERIES

JSON = "application/json"
REFUSED = sorted(name for name, found in QUERIES.items() if isinstance(found, Refuse))
ALLOWED = sorted(name for name, found in QUERIES.items() if isinstance(found, Allow))


def judged(document: str, **envelope: object) -> Judged:
    return judge(msgspec.json.encode({"query": document, **envelope}), JSON)


Wrap = Callable[[str, list[str]], str]


def _spread(selection: str, fragments: list[str]) -> str:
    fragments.append(f"fragment F{len(fragments)} on Query {{ {selection} }}")
    return f"...F{len(fragments) - 1}"


WRAPS: dict[str, Wrap] = {
    "plain": lambda selection, _: selection,
    "inline": lambda selection, _: f"... {{ {selection} }}",
    "typed": lambda selection, _: f"... on Query {{ {selection} }}",
    "skipped": lambda selection, _: f"... @skip(if: true) {{ {selection} }}",
    "beside": lambda selection, _: f"projectCount {selection} datasetCount",
    "spread": _spread,
    "below": lambda selection, _: f"projects {{ edges {{ node {{ id }} }} }} {selection}",
}
ROOTS: dict[str, str] = {
    "shorthand": "{ %s }",
    "query": "query Q { %s }",
    "reopened": "mutation M { patchPrompt(input: {}) { query { %s } } }",
    "returned": "mutation M { deleteTraces(traceIds: []) { %s } }",
    "deep": "mutation M { a: createDataset(input: {}) { dataset { id } query { %s } } }",
}


def wrapped(root: str, names: list[str], selection: str) -> str:
    fragments: list[str] = []
    for name in names:
        selection = WRAPS[name](selection, fragments)
    return "\n".join([ROOTS[root].replace("%s", selection), *fragments])


wrappers = st.tuples(
    st.sampled_from(sorted(ROOTS)), st.lists(st.sampled_from(sorted(WRAPS)), max_size=6)
)
aliases = st.sampled_from(["", "projects: ", "me: ", "__typename: "])


@given(wrappers, aliases, st.sampled_from(REFUSED))
def test_no_wrapping_gets_a_refused_field_through(
    how: tuple[str, list[str]], alias: str, field: str
) -> None:
    document = wrapped(*how, f"{alias}{field} @include(if: $no) {{ id }}")
    assert isinstance(judged(document).decision, Refuse)


@given(wrappers, aliases, st.sampled_from(ALLOWED))
def test_no_wrapping_hides_an_allowed_field(
    how: tuple[str, list[str]], alias: str, field: str
) -> None:
    decision = judged(wrapped(*how, f"{alias}{field} {{ id }}")).decision
    assert isinstance(decision, Allow)
    wanted = QUERIES[field]
    assert isinstance(wanted, Allow)
    assert decision.needs >= wanted.needs


@given(st.sampled_from(sorted(MUTATIONS)), st.sampled_from(["", "x: "]))
def test_a_mutation_has_the_verdict_of_its_row(name: str, alias: str) -> None:
    decision, row = (
        judged(f"mutation {{ {alias}{name} {{ __typename }} }}").decision,
        MUTATIONS[name],
    )
    if isinstance(row, Refuse):
        assert decision == Refuse(f"{row.reason}: {name}", row.pointer)
    else:
        assert decision == row


@given(st.text(alphabet='{}()...@:$!|&"# abcquersfontmi\n', max_size=60))
def test_no_text_makes_the_judge_fail_otherwise_than_by_bad_request(text: str) -> None:
    with suppress(BadRequest):
        assert judged(text).kind in ("query", "mutation", "subscription")


def test_all_marks_of_a_document_are_joined() -> None:
    decision = judged("query { node(id: 1) { ... on Project { spans { id } } } secrets { id } }")
    assert decision.decision == Allow(Treatment.PRIVATE, Role.ADMIN, heavy=True)


def test_a_write_never_waits_behind_heavy_reads() -> None:
    decision = judged("mutation { patchDataset { query { node { spans { id } } } } }").decision
    assert decision == Allow(Treatment.PRIVATE, Role.MEMBER, changes=True)


def test_an_unknown_mutation_needs_an_admin_and_an_unknown_query_is_refused() -> None:
    unknown = judged("mutation { dropEverything { id } }").decision
    assert isinstance(unknown, Allow)
    assert (unknown.needs, unknown.changes, unknown.reconcile) == (Role.ADMIN, True, True)
    assert isinstance(judged("{ everything { id } }").decision, Refuse)
    assert isinstance(judged("subscription { everything { id } }").decision, Refuse)


def test_a_subscription_streams_and_needs_a_member() -> None:
    decision = judged("subscription S($i: I!) { chatCompletion(input: $i) { id } }").decision
    assert isinstance(decision, Allow)
    assert (decision.treatment, decision.needs) == (Treatment.STREAM, Role.MEMBER)


@pytest.mark.parametrize(
    "document",
    [
        "{ node(id: 1) { ... on User { apiKeys { name } } } }",
        "{ node(id: 1) { ... on UserApiKey { name } } }",
        "{ node(id: 1) { ...F } } fragment F on SystemApiKey { name }",
        "{ node(id: 1) { ... on ApiKey { name } } }",
        "{ node(id: 1) { ... on OAuth2Grant { clientId } } }",
        "{ projects { edges { node { createdBy { apiKeys { name } } } } } }",
        "{ viewer { ...F } node(id: 1) { ...F } } fragment F on User { apiKeys { name } }",
        "{ node(id: 1) { ...F } viewer { ...F } } fragment F on User { apiKeys { name } }",
        "{ viewer { apiKeys { user { apiKeys { name } } } } }",
        "{ x: viewer { y: oauth2Grants { user { oauth2Grants { id } } } } }",
    ],
)
def test_keys_are_not_reached_another_way(document: str) -> None:
    assert isinstance(judged(document).decision, Refuse)


def test_every_page_may_ask_for_the_viewer_s_own_empty_key_list() -> None:
    document = "{ viewer { id ...F } } fragment F on User { apiKeys { name } oauth2Grants { id } }"
    assert isinstance(judged(document).decision, Allow)


def test_secrets_of_providers_are_an_admin_s_by_any_way() -> None:
    for document in ("{ secrets { id } }", "{ node(id: 1) { ... on Secret { key } } }"):
        decision = judged(document).decision
        assert isinstance(decision, Allow)
        assert decision.needs is Role.ADMIN


def test_the_body_is_spelt_anew_and_names_its_operation() -> None:
    body = b'{"query":"query A{projectCount}" , "query":"query B{datasetCount}","variables":null}'
    found = judge(body, "application/json; charset=utf-8")
    assert (found.kind, found.operation) == ("query", "B")
    assert msgspec.json.decode(found.body) == {
        "query": "query B{datasetCount}",
        "variables": None,
        "operationName": "B",
    }


def test_variables_pass_as_they_are() -> None:
    variables = b'{"big":123456789012345678901234567890,"half":1.50,"name":"d\xc3\xa9mo"}'
    found = judge(b'{"query":"{projectCount}","variables":' + variables + b"}", JSON)
    assert variables in found.body


def test_only_the_selected_operation_counts() -> None:
    two = "query A { projectCount } query B { users { edges { node { id } } } }"
    assert isinstance(judged(two, operationName="A").decision, Allow)
    assert isinstance(judged(two, operationName="B").decision, Refuse)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b'[{"query":"{projectCount}"}]', b"{}", b'{"query":1}', b"\xff"),
        *(b'{"query":"{projectCount}"', b'{"query":"{projectCount}","variables":[]}'),
        *(b'{"query":"{projectCount}","variables":"x"}', b'{"query":"{projectCount}","id":"1"}'),
        *(b'{"query":"{projectCount}","variables":{"a":}}', b'{"query":"{a}","variables":nil}'),
        b'{"query":"{projectCount}","variables":{"a":NaN}}',
        b'{"query":"{projectCount}","extensions":{"persistedQuery":{"version":1}}}',
        *(b'{"query":"\\ud800{projectCount}"}', b'{"query":""}', b'{"query":"{"}'),
        *(b'{"query":"{projectCount}","operationName":""}', b'{"query":"fragment F on A {b}"}'),
        b'{"query":"query A{a} query B{b}"}',
        b'{"query":"query A{projectCount} query A{users}","operationName":"A"}',
        b'{"query":"{projectCount} {users}"}',
        b'{"query":"{...F} fragment F on Query {a} fragment F on Query {users}"}',
        *(b'{"query":"{...Gone}"}', b'{"query":"type A { b: Int }"}'),
    ],
)
def test_what_could_be_read_in_two_ways_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(BadRequest):
        judge(body, JSON)


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data; boundary=x"])
def test_only_json_is_taken(content_type: str) -> None:
    with pytest.raises(BadRequest) as refused:
        judge(b'{"query":"{projectCount}"}', content_type)
    assert refused.value.status == 415


@pytest.mark.parametrize(
    "document",
    ["{" * 60_000, "{ a " * 2000 + "}" * 2000, "{ " + "a " * 30_000 + "}", "query Q " * 5_001],
)
def test_hostile_documents_cost_little(document: str) -> None:
    started = time.process_time()
    with pytest.raises(BadRequest):
        judged(document)
    assert time.process_time() - started < 1


def test_fragments_that_spread_each_other_are_walked_once() -> None:
    chain = [f"fragment F{n} on Q {{ ...F{n + 1} ...F{n + 1} }}" for n in range(300)]
    document = "\n".join(["{ ...F0 }", *chain, "fragment F300 on Q { ...F0 users { id } }"])
    assert isinstance(judged(document).decision, Refuse)


def test_sizes_are_bounded() -> None:
    with pytest.raises(TooLarge):
        judge(b" " * (MAX_BODY_BYTES + 1), JSON)
    with pytest.raises(TooLarge):
        judged("#" * (MAX_DOCUMENT_CHARS + 1))


def test_a_known_document_is_judged_in_microseconds() -> None:
    fields = " ".join(f"a{n}: projectCount" for n in range(200))
    body = msgspec.json.encode({"query": f"{{ {fields} }}", "variables": {"id": "UHJvamVjdDox"}})

    def once() -> float:
        started = time.perf_counter()
        judge(body, JSON)
        return time.perf_counter() - started

    assert min(once() for _ in range(300)) < 100e-6
