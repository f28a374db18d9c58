"""Which Phoenix REST calls a tenant may make.

Rule 1: every REST rule stands in RULES, one row an operation, with how the answer is treated.
Rule 2: a call that no row names is refused.

All data of a cell is its tenant's own, so rows guard roles and side doors, not other tenants:
viewers read; members annotate and write datasets, prompts and experiments, and may spend the
cell's model credentials; admins delete traces and projects, set retention, secrets and providers.
Users, keys and sign-in are Roost's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roost.model import Role
from roost.policy.decision import Allow, Treatment
from roost.policy.verdict import (
    ADMINISTER,
    ANNOTATE,
    CHANGE_TRACES,
    HEAVY_READ,
    NO_ASSISTANT,
    NO_KEYS,
    NO_ROW,
    NO_USERS,
    READ,
    TRACED_WRITE,
    WRITE,
    Elsewhere,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """`{name}` in the template is exactly one segment."""

    method: str
    template: str
    verdict: Verdict


# Phoenix refuses every POST of a viewer, so a read by POST needs a member.
_QUERY_BY_POST = Allow(Treatment.PRIVATE, Role.MEMBER, heavy=True)
# Spends the provider credentials that the cell holds; Phoenix itself would let viewers.
_SPEND = Allow(Treatment.STREAM, Role.MEMBER, changes=True)

RULES: tuple[Rule, ...] = (
    # What is there, and which version.
    Rule("GET", "/arize_phoenix_version", READ),
    Rule("POST", "/graphql", Elsewhere.GRAPHQL),
    Rule("GET", "/v1/user", READ),
    # Projects
    Rule("GET", "/v1/projects", READ),
    Rule("POST", "/v1/projects", WRITE),
    Rule("GET", "/v1/projects/{project}", READ),
    Rule("PUT", "/v1/projects/{project}", ADMINISTER),
    Rule("DELETE", "/v1/projects/{project}", CHANGE_TRACES),
    Rule("PATCH", "/v1/projects/{project}/retention", CHANGE_TRACES),
    Rule("GET", "/v1/projects/{project}/annotation_configs", READ),
    Rule("PUT", "/v1/projects/{project}/annotation_configs", WRITE),
    Rule("PUT", "/v1/projects/{project}/annotation_configs/{config}", WRITE),
    Rule("DELETE", "/v1/projects/{project}/annotation_configs/{config}", WRITE),
    # Traces, spans, sessions
    Rule("POST", "/v1/traces", Elsewhere.INGEST),
    Rule("GET", "/v1/projects/{project}/traces", HEAVY_READ),
    Rule("DELETE", "/v1/projects/{project}/traces", CHANGE_TRACES),
    Rule("POST", "/v1/traces/transfer", CHANGE_TRACES),
    Rule("DELETE", "/v1/traces/{trace}", CHANGE_TRACES),
    Rule("POST", "/v1/projects/{project}/spans", Elsewhere.INGEST),
    Rule("GET", "/v1/projects/{project}/spans", HEAVY_READ),
    Rule("GET", "/v1/projects/{project}/spans/otlpv1", HEAVY_READ),
    Rule("GET", "/v1/spans", HEAVY_READ),
    Rule("POST", "/v1/spans", _QUERY_BY_POST),
    Rule("DELETE", "/v1/spans/{span}", CHANGE_TRACES),
    Rule("GET", "/v1/projects/{project}/sessions", HEAVY_READ),
    Rule("GET", "/v1/sessions/{session}", READ),
    Rule("DELETE", "/v1/sessions/{session}", CHANGE_TRACES),
    Rule("POST", "/v1/sessions/delete", CHANGE_TRACES),
    # Annotations and notes. Phoenix lets a member delete only its own.
    Rule("GET", "/v1/projects/{project}/span_annotations", READ),
    Rule("DELETE", "/v1/projects/{project}/span_annotations", ANNOTATE),
    Rule("GET", "/v1/projects/{project}/trace_annotations", READ),
    Rule("DELETE", "/v1/projects/{project}/trace_annotations", ANNOTATE),
    Rule("GET", "/v1/projects/{project}/session_annotations", READ),
    Rule("DELETE", "/v1/projects/{project}/session_annotations", ANNOTATE),
    Rule("POST", "/v1/span_annotations", ANNOTATE),
    Rule("POST", "/v1/trace_annotations", ANNOTATE),
    Rule("POST", "/v1/session_annotations", ANNOTATE),
    Rule("POST", "/v1/document_annotations", ANNOTATE),
    Rule("POST", "/v1/span_notes", ANNOTATE),
    Rule("POST", "/v1/trace_notes", ANNOTATE),
    Rule("POST", "/v1/session_notes", ANNOTATE),
    Rule("GET", "/v1/annotation_configs", READ),
    Rule("POST", "/v1/annotation_configs", WRITE),
    Rule("GET", "/v1/annotation_configs/{config}", READ),
    Rule("PUT", "/v1/annotation_configs/{config}", WRITE),
    Rule("DELETE", "/v1/annotation_configs/{config}", WRITE),
    # Datasets
    Rule("GET", "/v1/datasets", READ),
    Rule("POST", "/v1/datasets/upload", WRITE),
    Rule("GET", "/v1/datasets/{dataset}", READ),
    Rule("DELETE", "/v1/datasets/{dataset}", WRITE),
    Rule("GET", "/v1/datasets/{dataset}/versions", READ),
    Rule("GET", "/v1/datasets/{dataset}/examples", READ),
    Rule("GET", "/v1/datasets/{dataset}/splits", READ),
    Rule("POST", "/v1/datasets/{dataset}/splits", WRITE),
    Rule("PATCH", "/v1/datasets/{dataset}/splits/{split}", WRITE),
    Rule("DELETE", "/v1/datasets/{dataset}/splits/{split}", WRITE),
    Rule("GET", "/v1/datasets/{dataset}/csv", HEAVY_READ),
    Rule("GET", "/v1/datasets/{dataset}/jsonl", HEAVY_READ),
    Rule("GET", "/v1/datasets/{dataset}/jsonl/openai_ft", HEAVY_READ),
    Rule("GET", "/v1/datasets/{dataset}/jsonl/openai_evals", HEAVY_READ),
    Rule("GET", "/v1/datasets/{dataset}/labels", READ),
    Rule("PUT", "/v1/datasets/{dataset}/labels", WRITE),
    Rule("PUT", "/v1/datasets/{dataset}/labels/{label}", WRITE),
    Rule("DELETE", "/v1/datasets/{dataset}/labels/{label}", WRITE),
    Rule("GET", "/v1/dataset_labels", READ),
    Rule("POST", "/v1/dataset_labels", WRITE),
    Rule("GET", "/v1/dataset_labels/{label}", READ),
    Rule("PATCH", "/v1/dataset_labels/{label}", WRITE),
    Rule("DELETE", "/v1/dataset_labels/{label}", WRITE),
    # Experiments. Deleting one may delete the project that its runs were traced into.
    Rule("GET", "/v1/datasets/{dataset}/experiments", READ),
    Rule("POST", "/v1/datasets/{dataset}/experiments", WRITE),
    Rule("GET", "/v1/experiments/{experiment}", READ),
    Rule("PATCH", "/v1/experiments/{experiment}", WRITE),
    Rule("DELETE", "/v1/experiments/{experiment}", TRACED_WRITE),
    Rule("GET", "/v1/experiments/{experiment}/json", HEAVY_READ),
    Rule("GET", "/v1/experiments/{experiment}/csv", HEAVY_READ),
    Rule("GET", "/v1/experiments/{experiment}/runs", READ),
    Rule("POST", "/v1/experiments/{experiment}/runs", WRITE),
    Rule("GET", "/v1/experiments/{experiment}/incomplete-runs", READ),
    Rule("GET", "/v1/experiments/{experiment}/incomplete-evaluations", READ),
    Rule("GET", "/v1/experiments/{experiment}/tags", READ),
    Rule("POST", "/v1/experiments/{experiment}/tags", WRITE),
    Rule("DELETE", "/v1/experiments/{experiment}/tags/{tag}", WRITE),
    Rule("POST", "/v1/experiment_evaluations", WRITE),
    # Prompts
    Rule("GET", "/v1/prompts", READ),
    Rule("POST", "/v1/prompts", WRITE),
    Rule("PATCH", "/v1/prompts/{prompt}", WRITE),
    Rule("DELETE", "/v1/prompts/{prompt}", WRITE),
    Rule("GET", "/v1/prompts/{prompt}/versions", READ),
    Rule("POST", "/v1/prompts/{prompt}/versions", WRITE),
    Rule("GET", "/v1/prompts/{prompt}/latest", READ),
    Rule("GET", "/v1/prompts/{prompt}/tags/{tag}", READ),
    Rule("GET", "/v1/prompt_versions/{version}", READ),
    Rule("GET", "/v1/prompt_versions/{version}/tags", READ),
    Rule("POST", "/v1/prompt_versions/{version}/tags", WRITE),
    Rule("DELETE", "/v1/prompt_versions/{version}/tags/{tag}", WRITE),
    # Models and their credentials
    Rule("GET", "/v1/model_providers", READ),
    Rule("GET", "/v1/custom_model_providers", READ),
    Rule("POST", "/v1/chat/completions", _SPEND),
    Rule("PUT", "/v1/secrets", ADMINISTER),
    # What Roost does instead
    Rule("GET", "/v1/users", NO_USERS),
    Rule("POST", "/v1/users", NO_USERS),
    Rule("DELETE", "/v1/users/{user}", NO_USERS),
    Rule("GET", "/v1/users/api_keys", NO_KEYS),
    Rule("GET", "/v1/user/api_keys", NO_KEYS),
    Rule("POST", "/v1/user/api_keys", NO_KEYS),
    Rule("DELETE", "/v1/user/api_keys/{key}", NO_KEYS),
    Rule("GET", "/v1/system/api_keys", NO_KEYS),
    Rule("POST", "/v1/system/api_keys", NO_KEYS),
    Rule("DELETE", "/v1/system/api_keys/{key}", NO_KEYS),
    Rule("GET", "/v1/agent_sessions", NO_ASSISTANT),
    Rule("POST", "/v1/agent_sessions", NO_ASSISTANT),
    Rule("GET", "/v1/agent_sessions/{session}", NO_ASSISTANT),
    Rule("PATCH", "/v1/agent_sessions/{session}", NO_ASSISTANT),
    Rule("GET", "/v1/agent_sessions/{session}/messages", NO_ASSISTANT),
    Rule("POST", "/v1/agent_sessions/{session}/chat", NO_ASSISTANT),
    Rule("POST", "/v1/agent_sessions/{session}/compact", NO_ASSISTANT),
    Rule("POST", "/v1/agent_sessions/{session}/tool_approvals", NO_ASSISTANT),
    Rule("POST", "/v1/agent_sessions/{session}/tool_outputs", NO_ASSISTANT),
)


def decide_rest(method: str, segments: Sequence[str]) -> Verdict:
    """The verdict on a call below a tenant's API prefix, `segments` being decoded (`paths`).

    HEAD is judged as the GET that it asks about. A literal segment beats `{name}`.

    >>> decide_rest("GET", ("v1", "projects", "my app")) == READ
    True
    >>> decide_rest("POST", ("v1", "traces"))
    <Elsewhere.INGEST: "taken by Roost's ingest, with an `ingest` key">
    >>> decide_rest("GET", ("graphql",)).reason
    'no row names this'
    """
    return find(TREE, method, segments)


Node = dict[str, "Node | Verdict"]


def grow(rules: Sequence[Rule]) -> Node:
    """The rules as a tree by segment; a verdict stands under `/METHOD`, a name no segment has."""
    tree: Node = {}
    for rule in rules:
        node = tree
        for part in filter(None, rule.template.split("/")):
            child = node.setdefault("{}" if part.startswith("{") else part, {})
            if not isinstance(child, dict):
                raise TypeError(f"{rule.template} runs into a verdict")
            node = child
        if node.setdefault("/" + rule.method, rule.verdict) is not rule.verdict:
            raise ValueError(f"two rows for {rule.method} {rule.template}")
    return tree


def find(tree: Mapping[str, "Node | Verdict"], method: str, segments: Sequence[str]) -> Verdict:
    """The verdict that the tree holds for that call; NO_ROW where it holds none."""
    if not segments:
        verdict = tree.get("/" + ("GET" if method == "HEAD" else method), NO_ROW)
        return NO_ROW if isinstance(verdict, dict) else verdict
    for part in (segments[0], "{}"):
        child = tree.get(part)
        if isinstance(child, dict):
            verdict = find(child, method, segments[1:])
            if verdict is not NO_ROW:
                return verdict
    return NO_ROW


TREE = grow(RULES)
