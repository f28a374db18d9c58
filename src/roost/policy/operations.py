"""Which GraphQL operations a tenant may run.

Rule 1: every rule stands in one of these tables. Rule 2: a query or subscription that no row names
is refused; a mutation that no row names needs an admin. Rule 3: what is refused at the root is
refused wherever its name stands, because most mutations hand out the whole Query again.
"""

from collections.abc import Mapping

from roost.model import Role
from roost.policy.decision import Allow, Decision, Treatment
from roost.policy.verdict import (
    ADMINISTER,
    ANNOTATE,
    CHANGE_TRACES,
    NO_ASSISTANT,
    NO_KEYS,
    NO_ROW,
    NO_USERS,
    READ,
    TRACED_WRITE,
    WRITE,
)

Table = Mapping[str, Decision]

_ADMIN_READ = Allow(Treatment.PRIVATE, Role.ADMIN)
# A playground call spends the cell's credentials and leaves spans; the answer is multipart/mixed.
_PLAY = Allow(Treatment.STREAM, Role.MEMBER, changes=True, reconcile=True)


def _rows(decision: Decision, names: str) -> dict[str, Decision]:
    return dict.fromkeys(names.split(), decision)


QUERIES: Table = {
    **_rows(READ, "__typename __schema __type"),
    # Any object of the cell by id; TYPES below keeps keys, grants and secrets out of it.
    **_rows(READ, "node viewer searchResources serverStatus dbStorageCapacityBytes dbTableStats"),
    **_rows(READ, "projects projectCount projectsLastUpdatedAt getProjectByName"),
    **_rows(READ, "getSpanByOtelId getTraceByOtelId getProjectSessionById"),
    **_rows(READ, "annotationConfigs classificationEvaluatorConfigs validateRegularExpression"),
    **_rows(READ, "defaultProjectTraceRetentionPolicy projectTraceRetentionPolicies"),
    **_rows(READ, "datasets datasetCount datasetsLastUpdatedAt datasetLabels datasetSplits"),
    **_rows(READ, "getDatasetExampleByExternalId compareExperiments"),
    **_rows(READ, "experimentRunMetricComparisons validateExperimentRunFilterCondition"),
    **_rows(READ, "prompts promptCount promptLabels applyChatTemplate"),
    **_rows(READ, "evaluators evaluatorCount builtInEvaluators sandboxBackends sandboxProviders"),
    # Phoenix redacts the credentials in a provider's config.
    **_rows(READ, "modelProviders generativeModels generativeModelCustomProviders"),
    **_rows(READ, "playgroundModels"),
    # Every page asks for the assistant's settings; its sessions stay empty while it is off.
    **_rows(READ, "agentsConfig agentSessions availableAgentSkills"),
    **_rows(_ADMIN_READ, "secrets"),
    **_rows(NO_USERS, "users userRoles"),
    **_rows(NO_KEYS, "userApiKeys systemApiKeys oauth2Grants"),
}

MUTATIONS: Table = {
    **_rows(READ, "__typename"),
    # Projects, traces, retention
    **_rows(WRITE, "createProject"),
    **_rows(ADMINISTER, "patchProject"),
    **_rows(CHANGE_TRACES, "deleteProject clearProject deleteTraces transferTracesToProject"),
    **_rows(CHANGE_TRACES, "createProjectTraceRetentionPolicy patchProjectTraceRetentionPolicy"),
    **_rows(CHANGE_TRACES, "deleteProjectTraceRetentionPolicy"),
    # Annotations and notes
    **_rows(WRITE, "createAnnotationConfig updateAnnotationConfig deleteAnnotationConfigs"),
    **_rows(WRITE, "addAnnotationConfigToProject removeAnnotationConfigFromProject"),
    **_rows(ANNOTATE, "createSpanAnnotations patchSpanAnnotations deleteSpanAnnotations"),
    **_rows(ANNOTATE, "createSpanNotes deleteSpanNotes"),
    **_rows(ANNOTATE, "createTraceAnnotations patchTraceAnnotations deleteTraceAnnotations"),
    **_rows(ANNOTATE, "createTraceNotes deleteTraceNotes"),
    **_rows(ANNOTATE, "createProjectSessionAnnotations updateProjectSessionAnnotations"),
    **_rows(ANNOTATE, "deleteProjectSessionAnnotation"),
    **_rows(ANNOTATE, "createProjectSessionNotes deleteProjectSessionNotes"),
    **_rows(ANNOTATE, "createDocumentAnnotations patchDocumentAnnotations"),
    **_rows(ANNOTATE, "deleteDocumentAnnotations"),
    **_rows(CHANGE_TRACES, "deleteProjectSpanAnnotations deleteProjectTraceAnnotations"),
    **_rows(CHANGE_TRACES, "deleteProjectSessionAnnotations"),
    # Datasets
    **_rows(WRITE, "createDataset patchDataset deleteDataset addSpansToDataset"),
    **_rows(WRITE, "addExamplesToDataset patchDatasetExamples deleteDatasetExamples"),
    **_rows(WRITE, "createDatasetLabel deleteDatasetLabels setDatasetLabels"),
    **_rows(WRITE, "createDatasetSplit patchDatasetSplit deleteDatasetSplits"),
    **_rows(WRITE, "createDatasetSplitWithExamples setDatasetExampleSplits"),
    **_rows(WRITE, "setDatasetExamplesSplits"),
    # Evaluators
    **_rows(WRITE, "createDatasetLlmEvaluator updateDatasetLlmEvaluator deleteDatasetEvaluators"),
    **_rows(WRITE, "createDatasetBuiltinEvaluator updateDatasetBuiltinEvaluator"),
    **_rows(WRITE, "createDatasetCodeEvaluator updateDatasetCodeEvaluator"),
    **_rows(WRITE, "createCodeEvaluator patchCodeEvaluator createCodeEvaluatorVersion"),
    **_rows(TRACED_WRITE, "evaluatorPreviews"),
    # Experiments
    **_rows(TRACED_WRITE, "resumeExperiment deleteExperiments"),
    **_rows(WRITE, "stopExperiment dismissExperiment reinstateExperiment patchExperiment"),
    **_rows(WRITE, "setExperimentBaseline"),
    # Prompts
    **_rows(WRITE, "createChatPrompt createChatPromptVersion clonePrompt patchPrompt deletePrompt"),
    **_rows(WRITE, "setPromptVersionTag deletePromptVersionTag"),
    **_rows(WRITE, "createPromptLabel patchPromptLabel deletePromptLabels setPromptLabels"),
    **_rows(WRITE, "unsetPromptLabels"),
    # Models and their prices; providers, sandboxes and secrets. A test of credentials makes the
    # cell call any URL: the egress proxy judges that one.
    **_rows(WRITE, "createModel updateModel deleteModel"),
    **_rows(ADMINISTER, "createGenerativeModelCustomProvider patchGenerativeModelCustomProvider"),
    **_rows(ADMINISTER, "deleteGenerativeModelCustomProvider"),
    **_rows(ADMINISTER, "testGenerativeModelCustomProviderCredentials"),
    **_rows(ADMINISTER, "createSandboxConfig updateSandboxConfig deleteSandboxConfig"),
    **_rows(ADMINISTER, "updateSandboxProvider upsertOrDeleteSecrets"),
    # What Roost does instead
    **_rows(NO_USERS, "createUser patchUser patchViewer deleteUsers"),
    **_rows(NO_KEYS, "createSystemApiKey deleteSystemApiKey createUserApiKey deleteUserApiKey"),
    **_rows(NO_KEYS, "revokeOAuth2Grant"),
    **_rows(NO_ASSISTANT, "createAgentSession branchAgentSession truncateAgentSession"),
    **_rows(NO_ASSISTANT, "patchAgentSession deleteAgentSession"),
    **_rows(NO_ASSISTANT, "setAgentAssistantEnabled setAgentGithubEnabled"),
    **_rows(NO_ASSISTANT, "setAgentTraceRecording setAgentSessionRetention"),
}

SUBSCRIPTIONS: Table = _rows(_PLAY, "__typename chatCompletion chatCompletionOverDataset")

UNKNOWN_MUTATION = CHANGE_TRACES
"""Nobody knows what it does, so an admin's, and traces are looked at again."""

FIELDS: Table = _rows(NO_KEYS, "apiKeys oauth2Grants apiKeyCount oauth2GrantCount")
"""Refused on any object but the viewer itself: every page lists the viewer's own keys, and that
list stays empty because none can be made."""

TYPES: Table = {
    **_rows(NO_KEYS, "ApiKey UserApiKey SystemApiKey OAuth2Grant"),
    **_rows(_ADMIN_READ, "Secret GenerativeModelCustomProvider"),
}
"""Fragments on these types are judged, or `node(id:)` would be a way around the root fields."""

REOPENED_BY = frozenset({"query"})
"""Fields below a mutation's payload whose type is Query: judged like the root."""

REOPENED_BY_MUTATION = frozenset(
    {"deleteProject", "clearProject", "deleteTraces", "transferTracesToProject"}
)
"""Mutations whose own type is Query."""

HEAVY_FIELDS = frozenset(
    {"spans", "sessions", "traces", "descendants", "compareExperiments"}
    | {"experimentRunMetricComparisons", "topModelsByCost", "topModelsByTokenCount"}
)
"""Lists and sums that took seconds of the cell's CPU when measured."""


def is_heavy(field: str) -> bool:
    """Whether a query with that field takes one of the cell's few slots for costly ones.

    >>> is_heavy("spans"), is_heavy("traceTokenCostTimeSeries"), is_heavy("projectCount")
    (True, True, False)
    """
    return field in HEAVY_FIELDS or field.endswith("TimeSeries")


def decide_query(field: str) -> Decision:
    return QUERIES.get(field, NO_ROW)


def decide_mutation(field: str) -> Decision:
    return MUTATIONS.get(field, UNKNOWN_MUTATION)


def decide_subscription(field: str) -> Decision:
    return SUBSCRIPTIONS.get(field, NO_ROW)


def decide_inner(field: str) -> Decision:
    """A field below the root: refused or an admin's where its name says so, else free."""
    return FIELDS.get(field) or NOT_FOR_ALL.get(field, READ)


def decide_type(name: str) -> Decision:
    return TYPES.get(name, READ)


NOT_FOR_ALL: Table = {name: found for name, found in QUERIES.items() if found != READ}
