import pytest

from roost.policy.decision import Refuse
from roost.policy.ui import ASSET, PAGE, decide_ui
from roost.policy.verdict import NO_ROW, READ, Elsewhere

ORDINARY_PAGES = [
    *("", "projects", "projects/UHJvamVjdDox", "projects/UHJvamVjdDox/traces"),
    *("projects/UHJvamVjdDox/spans", "projects/UHJvamVjdDox/sessions"),
    *("projects/UHJvamVjdDox/traces/0af7651916cd43dd8448eb211c80319c", "datasets"),
    *("datasets/RGF0YXNldDox/experiments", "prompts", "prompts/UHJvbXB0OjE=", "playground"),
    *("settings/general", "redirects/traces/0af7651916cd43dd8448eb211c80319c"),
]


@pytest.mark.parametrize("path", ORDINARY_PAGES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_ordinary_pages_are_pages(method: str, path: str) -> None:
    assert decide_ui(method, tuple(filter(None, path.split("/")))) == PAGE


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        ("assets/index-BeUAedO-.js", ASSET),
        ("assets/index-wCRO-9_5.css", ASSET),
        ("assets/vendor-ai-sdk-react-i_vzi_Vg.js", ASSET),
        ("assets/index.js", NO_ROW),
        ("assets/index-BeUAedO-.html", NO_ROW),
        ("assets/x/index-BeUAedO-.js", NO_ROW),
        ("favicon.ico", READ),
        ("apple-touch-icon-72x72.png", READ),
        ("apple-touch-icon-72x72.png.html", NO_ROW),
        (".vite/manifest.json", NO_ROW),
    ],
)
def test_only_hashed_files_are_immutable(path: str, verdict: object) -> None:
    assert decide_ui("GET", path.split("/")) == verdict


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "auth/login"), ("POST", "auth/refresh"), ("POST", "oauth2/register")),
        *(("GET", "docs"), ("GET", "openapi.json"), ("GET", "graphql"), ("POST", "mcp")),
        *(("POST", "projects"), ("DELETE", "settings"), ("GET", "unknown"), ("GET", "exports/x")),
        *(("GET", "settings/users"), ("GET", "profile/api-keys"), ("GET", "v1/users")),
    ],
)
def test_side_doors_are_refused(method: str, path: str) -> None:
    assert isinstance(decide_ui(method, path.split("/")), Refuse)


@pytest.mark.parametrize(
    ("method", "path", "verdict"),
    [
        ("POST", "graphql", Elsewhere.GRAPHQL),
        ("GET", "logout", Elsewhere.SIGN_OUT),
        ("GET", "auth/logout", Elsewhere.SIGN_OUT),
        ("GET", "login", Elsewhere.SIGN_IN),
        ("GET", "v1/projects", READ),
    ],
)
def test_other_parts_are_named(method: str, path: str, verdict: object) -> None:
    assert decide_ui(method, path.split("/")) == verdict
