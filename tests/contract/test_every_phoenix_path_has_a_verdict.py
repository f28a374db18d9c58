"""The policy tables and the installed Phoenix name the same things, neither more nor less."""

import re
from collections.abc import Iterator

import msgspec
import pytest
from graphql import (
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    validate,
    visit,
)
from tests.phoenix_surface import Surface

from roost.model import Role
from roost.policy.decision import Allow, Refuse, Treatment
from roost.policy.graphql import Judged, judge
from roost.policy.operations import (
    FIELDS,
    HEAVY_FIELDS,
    MUTATIONS,
    NOT_FOR_ALL,
    QUERIES,
    REOPENED_BY,
    REOPENED_BY_MUTATION,
    SUBSCRIPTIONS,
    TYPES,
)
from roost.policy.routes import RULES, decide_rest
from roost.policy.ui import ASSET, PAGES, UI_RULES, decide_ui
from roost.policy.verdict import NO_ROW, READ, Elsewhere

_PARAMETER = re.compile(r"\{[^}]*\}")
_INTROSPECTION = {"__typename", "__schema", "__type"}

# Phoenix's UI shows these paths itself; its server knows them only as its page.
_UI_ALONE = {
    ("GET", path)
    for path in (
        *("/", "/login", "/logout", "/forgot-password", "/reset-password"),
        *("/reset-password-with-token", "/oauth2/consent", "/apis/graphql", "/apis/rest"),
        *("/settings/users", "/settings/api-keys", "/profile/api-keys", "/profile/apps"),
        *("/favicon.ico", "/modernizr.js"),
    )
}

# Routes that match any or no method, and have no row on purpose: no UI and no client needs them.
_UNNAMED = {("*", "/graphql"), ("*", "/mcp")}

REFUSED_IN_UI = {
    "users": {
        *("UsersCardQuery", "UsersTableQuery", "NewUserDialogMutation", "DeleteUserDialogMutation"),
        *("UserRoleChangeDialogMutation", "ResetPasswordDialogMutation"),
        *("ResetPasswordFormMutation", "ViewerProfileCardMutation"),
    },
    "keys": {
        *("APIKeysCardQuery", "APIKeysCardCreateSystemAPIKeyMutation", "SystemAPIKeysTableQuery"),
        *("GenerateSystemAPIKeyButtonMutation", "SystemAPIKeysTableDeleteAPIKeyMutation"),
        *("GeneratePersonalAPIKeyButtonMutation", "ViewerAPIKeysCreateUserAPIKeyMutation"),
        *("ViewerAPIKeysListDeleteAPIKeyMutation", "UserAPIKeysCardDeleteAPIKeyMutation"),
        *("UserAPIKeysCardQuery", "UserDetailsDrawerQuery", "AuthorizedApplicationsCardQuery"),
        *("AuthorizedApplicationsCardRevokeMutation", "ViewerAPIKeysListQuery"),
    },
    "assistant": {
        *(
            "useDraftSessionCreationCreateAgentSessionMutation",
            "AgentSessionsResourceDeleteMutation",
        ),
        *(
            "useAgentSessionHistoryBranchAgentSessionMutation",
            "EditAgentSessionTitleDialogMutation",
        ),
        *("useAgentSessionHistoryTruncateAgentSessionMutation",),
        *("useAgentChatPanelStatePatchAgentSessionMutation",),
        *("SettingsAgentSessionActionMenuDeleteMutation",),
        *("SettingsAgentsPermissionsTabSetAgentAssistantEnabledMutation",),
        *("SettingsAgentsToolsTabSetAgentGithubEnabledMutation",),
        *("SettingsAgentsChatsTabSetAgentSessionRetentionMutation",),
        *("SettingsAgentsTracingTabSetAgentTraceRecordingMutation",),
    },
}
"""What the UI's own operations lose: the users and keys tabs of its settings and profile, and the
assistant. Nothing that an ordinary page asks for when it opens."""


def test_every_route_of_phoenix_has_a_row(surface: Surface) -> None:
    unnamed = {
        (method, path)
        for method, path in surface.routes
        if decide_ui(method, _segments(path)) is NO_ROW and (method, path) not in _UNNAMED
    }
    assert unnamed == set()


def test_every_rest_route_of_phoenix_has_a_row_of_the_api(surface: Surface) -> None:
    rest = {route for route in surface.routes if route[1].startswith("/v1/")}
    assert len(rest) > 100
    assert {
        route for route in rest if decide_rest(route[0], _segments(route[1])) is NO_ROW
    } == set()


def test_every_row_names_a_route_that_phoenix_has(surface: Surface) -> None:
    known = {(method, _anonymous(path)) for method, path in surface.routes}
    rows = {(rule.method, rule.template) for rule in (*RULES, *UI_RULES)}
    gone = {row for row in rows - _UI_ALONE if (row[0], _anonymous(row[1])) not in known}
    assert gone == set()


def test_every_route_of_the_web_ui_has_a_verdict(surface: Surface) -> None:
    asked = {route for route in surface.ui_routes if not route.startswith("/v1")}
    assert len(asked) > 20
    unnamed = {
        route
        for route in asked
        if decide_ui("GET", _segments(re.sub(r":(\w+)", r"{\1}", route))) is NO_ROW
    }
    assert unnamed == set()


def test_pages_are_routes_of_the_web_ui(surface: Surface) -> None:
    first = {route.split("/")[1] for route in surface.ui_routes}
    assert first >= PAGES


def test_every_static_file_is_let_through_and_hashed_ones_are_assets(surface: Surface) -> None:
    verdicts = {file: decide_ui("GET", file.split("/")) for file in surface.static_files}
    hidden = {file for file, verdict in verdicts.items() if verdict not in (READ, ASSET)}
    assert hidden == {".vite/manifest.json"}
    assert {f for f, verdict in verdicts.items() if verdict == ASSET} == {
        file for file in surface.static_files if file.startswith("assets/")
    }


@pytest.mark.parametrize(
    ("root", "table"),
    [("Query", QUERIES), ("Mutation", MUTATIONS), ("Subscription", SUBSCRIPTIONS)],
)
def test_every_root_field_has_a_row_and_no_row_is_left_over(
    surface: Surface, root: str, table: dict[str, object]
) -> None:
    assert set(table) - _INTROSPECTION == set(_fields(surface, root))


def test_the_query_root_is_reopened_only_where_the_tables_say(surface: Surface) -> None:
    reopened = {(on, name) for on, name, to in _edges(surface) if to == "Query"}
    assert {name for on, name in reopened if on == "Mutation"} == REOPENED_BY_MUTATION
    assert {name for on, name in reopened if on != "Mutation"} == REOPENED_BY


def test_a_field_called_like_a_reopener_always_is_one(surface: Surface) -> None:
    assert {to for _, name, to in _edges(surface) if name in REOPENED_BY} == {"Query"}


def test_names_that_are_refused_anywhere_mean_one_thing_only(surface: Surface) -> None:
    owners = {(on, name) for on, name, _ in _edges(surface)}
    assert {on for on, name in owners if name in NOT_FOR_ALL} <= {"Query", "User"}
    assert {name for on, name in owners if name in NOT_FOR_ALL and on == "User"} <= set(FIELDS)
    assert {on for on, name in owners if name in FIELDS} == {"User", "Query"}
    assert {on for on, name in owners if name == "viewer"} == {"Query"}


def test_types_with_keys_or_secrets_are_reached_only_through_judged_names(surface: Surface) -> None:
    guarded = {name for name, found in TYPES.items() if isinstance(found, Refuse)}
    ways = {(on, name) for on, name, to in _edges(surface) if to in guarded}
    refused = {
        *FIELDS,
        *(n for table in (QUERIES, MUTATIONS) for n, v in table.items() if v != READ),
    }
    open_ways = {(on, name) for on, name in ways if name not in refused}
    # Payloads of mutations that are refused themselves.
    assert {on for on, _ in open_ways} <= {
        *("CreateSystemApiKeyMutationPayload", "CreateUserApiKeyMutationPayload"),
    }


def test_judged_types_and_heavy_fields_exist(surface: Surface) -> None:
    assert set(TYPES) <= set(surface.schema.type_map)
    assert {name for _, name, _ in _edges(surface)} >= HEAVY_FIELDS


def test_the_web_ui_is_refused_only_what_the_list_says(surface: Surface) -> None:
    refused = {
        name for name, judged in _judged(surface).items() if isinstance(judged.decision, Refuse)
    }
    assert refused == {name for names in REFUSED_IN_UI.values() for name in names}


def test_every_document_of_the_web_ui_is_read_as_phoenix_reads_it(surface: Surface) -> None:
    assert len(surface.ui_documents) > 400
    assert [validate(surface.schema, parse(text)) for text in surface.ui_documents] == [
        [] for _ in surface.ui_documents
    ]


def test_a_viewer_may_open_every_page_but_those_of_secrets(surface: Surface) -> None:
    above = {
        name
        for name, judged in _judged(surface).items()
        if judged.kind == "query"
        and isinstance(judged.decision, Allow)
        and judged.decision.needs > Role.VIEWER
    }
    assert above == {
        *("SettingsSecretsPageRefetchQuery", "settingsSecretsPageLoaderQuery"),
        *("ProviderServerCredentialsPanelSecretsQuery", "SandboxConfigDialogSecretsQuery"),
        *("SandboxProviderCredentialsDialogQuery", "EditCustomProviderButtonQuery"),
    }


def test_the_ui_s_writes_need_a_member_and_its_subscriptions_stream(surface: Surface) -> None:
    for name, judged in _judged(surface).items():
        if isinstance(judged.decision, Allow) and judged.kind != "query":
            assert judged.decision.changes, name
            assert judged.decision.needs >= Role.MEMBER, name
            assert (judged.decision.treatment is Treatment.STREAM) == (
                judged.kind == "subscription"
            ), name


def test_root_fields_of_a_document_are_those_that_phoenix_sees(surface: Surface) -> None:
    """A refused root field, by the schema's own reading of the UI's documents, is refused."""
    for text in surface.ui_documents:
        seen = _root_fields(surface, text)
        refused = {
            name
            for root, name in seen
            if isinstance({"Query": QUERIES, "Mutation": MUTATIONS}.get(root, {}).get(name), Refuse)
        }
        if refused:
            assert isinstance(_judge(text).decision, Refuse), refused


def test_ingest_and_sign_out_are_answered_by_roost() -> None:
    assert decide_rest("POST", ("v1", "traces")) is Elsewhere.INGEST
    assert decide_rest("POST", ("v1", "projects", "x", "spans")) is Elsewhere.INGEST
    assert decide_ui("GET", ("auth", "logout")) is Elsewhere.SIGN_OUT


def _segments(template: str) -> tuple[str, ...]:
    return tuple(_PARAMETER.sub("x", part) for part in template.split("/") if part)


def _anonymous(template: str) -> str:
    return _PARAMETER.sub("{}", template)


def _fields(surface: Surface, type_name: str) -> Iterator[str]:
    found = surface.schema.type_map[type_name]
    assert isinstance(found, GraphQLObjectType)
    return iter(found.fields)


def _edges(surface: Surface) -> Iterator[tuple[str, str, str]]:
    """(type, field, type of the field) for every field of the schema."""
    for name, found in surface.schema.type_map.items():
        if isinstance(found, GraphQLObjectType | GraphQLInterfaceType) and name[:2] != "__":
            for field, definition in found.fields.items():
                to: GraphQLNamedType = get_named_type(definition.type)
                yield name, field, to.name


def _judge(text: str) -> Judged:
    return judge(msgspec.json.encode({"query": text, "variables": {}}), "application/json")


def _judged(surface: Surface) -> dict[str, Judged]:
    return {judged.operation: judged for judged in map(_judge, surface.ui_documents)}


def _root_fields(surface: Surface, text: str) -> set[tuple[str, str]]:
    info, seen = TypeInfo(surface.schema), set()

    class Watch(Visitor):
        def enter_field(self, node: object, *_: object) -> None:
            on = info.get_parent_type()
            if on and on.name in ("Query", "Mutation"):
                seen.add((on.name, node.name.value))  # type: ignore[attr-defined]

    visit(parse(text), TypeInfoVisitor(info, Watch()))
    return seen
