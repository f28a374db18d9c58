"""Which parts of Phoenix's web UI a tenant's frame may load, below `/ui/<tenant>/`.

Rule 1: every rule stands in UI_RULES or is a REST row. Rule 2: Phoenix answers any unknown path
with its page, so only paths that its own router knows are let through; all else is refused.
"""

import re
from collections.abc import Sequence

from roost.model import Role
from roost.policy.decision import Allow, Refuse, Treatment
from roost.policy.routes import RULES, Rule, find, grow
from roost.policy.verdict import (
    NO_ASSISTANT,
    NO_KEYS,
    NO_ROW,
    NO_SIGN_IN,
    NO_USERS,
    READ,
    Elsewhere,
    Verdict,
)

PAGE = Allow(Treatment.PAGE, Role.VIEWER)
ASSET = Allow(Treatment.ASSET, Role.VIEWER)

PAGES = frozenset(
    {"chat", "dashboards", "datasets", "evaluators", "playground", "profile", "projects"}
    | {"prompts", "redirects", "settings", "support"}
)
"""First segments of the UI's own routes; the page shows what the rest of the path says."""

_NO_EXPLORER = Refuse("API explorers load scripts from CDNs; GraphQL by GET runs queries")
_KEEPERS = Refuse("whether a cell is up is the keeper's to ask")

UI_RULES: tuple[Rule, ...] = (
    Rule("GET", "/", PAGE),
    # Pages of what Roost does instead.
    Rule("GET", "/settings/users", NO_USERS),
    Rule("GET", "/settings/api-keys", NO_KEYS),
    Rule("GET", "/profile/api-keys", NO_KEYS),
    Rule("GET", "/profile/apps", NO_KEYS),
    # The UI goes to /login when a call is 401, and to /auth/logout by its menu.
    Rule("GET", "/login", Elsewhere.SIGN_IN),
    Rule("GET", "/logout", Elsewhere.SIGN_OUT),
    Rule("GET", "/auth/logout", Elsewhere.SIGN_OUT),
    Rule("POST", "/auth/login", NO_SIGN_IN),
    Rule("POST", "/auth/ldap/login", NO_SIGN_IN),
    Rule("POST", "/auth/refresh", NO_SIGN_IN),
    Rule("POST", "/auth/password-reset", NO_SIGN_IN),
    Rule("POST", "/auth/password-reset-email", NO_SIGN_IN),
    Rule("GET", "/forgot-password", NO_SIGN_IN),
    Rule("GET", "/reset-password", NO_SIGN_IN),
    Rule("GET", "/reset-password-with-token", NO_SIGN_IN),
    # Phoenix as an authorization server, its side doors, and what only the keeper asks.
    Rule("GET", "/oauth2/authorize", NO_SIGN_IN),
    Rule("POST", "/oauth2/authorize/decision", NO_SIGN_IN),
    Rule("GET", "/oauth2/consent", NO_SIGN_IN),
    Rule("POST", "/oauth2/token", NO_SIGN_IN),
    Rule("POST", "/oauth2/revoke", NO_SIGN_IN),
    Rule("POST", "/oauth2/register", NO_SIGN_IN),
    Rule("GET", "/oauth2/{idp}/login", NO_SIGN_IN),
    Rule("POST", "/oauth2/{idp}/login", NO_SIGN_IN),
    Rule("GET", "/oauth2/{idp}/tokens", NO_SIGN_IN),
    Rule("GET", "/auth.md", NO_SIGN_IN),
    Rule("GET", "/.well-known/oauth-protected-resource", NO_SIGN_IN),
    Rule("GET", "/.well-known/oauth-protected-resource/mcp", NO_SIGN_IN),
    Rule("GET", "/.well-known/oauth-authorization-server", NO_SIGN_IN),
    Rule("GET", "/.well-known/openid-configuration", NO_SIGN_IN),
    Rule("POST", "/agents/server/sessions/{session}/chat", NO_ASSISTANT),
    Rule("GET", "/graphql", _NO_EXPLORER),
    Rule("GET", "/apis/graphql", _NO_EXPLORER),
    Rule("GET", "/apis/rest", _NO_EXPLORER),
    Rule("GET", "/docs", _NO_EXPLORER),
    Rule("GET", "/docs/oauth2-redirect", _NO_EXPLORER),
    Rule("GET", "/redoc", _NO_EXPLORER),
    Rule("GET", "/openapi.json", _NO_EXPLORER),
    Rule("GET", "/healthz", _KEEPERS),
    Rule("GET", "/readyz", _KEEPERS),
    # Errors of the page, into the cell's own log.
    Rule("POST", "/client_errors", READ),
    Rule("GET", "/favicon.ico", READ),
    Rule("GET", "/modernizr.js", READ),
)

_HASHED = re.compile(r"[A-Za-z0-9._-]+-[A-Za-z0-9_-]{8}\.(?:js|css|wasm|woff2?|ttf|svg|png)")
_TOUCH_ICON = re.compile(r"apple-touch-icon(?:-\d{2,3}x\d{2,3})?\.png")
_TREE = grow((*UI_RULES, *RULES))


def decide_ui(method: str, segments: Sequence[str]) -> Verdict:
    """The verdict on a call below `/ui/<tenant>/`, `segments` being decoded (`paths`). GraphQL and
    `/v1` are the REST rows. An ASSET is one only if the answer is 200 and not HTML: for a file
    that is gone Phoenix answers its page.

    >>> decide_ui("GET", ("projects", "UHJvamVjdDox")) == PAGE
    True
    >>> decide_ui("GET", ("assets", "index-BeUAedO-.js")) == ASSET
    True
    >>> decide_ui("GET", ("mcp",)).reason, decide_ui("GET", ("readyz",)).reason
    ('no row names this', "whether a cell is up is the keeper's to ask")
    """
    verdict = find(_TREE, method, segments)
    if verdict is not NO_ROW or method not in ("GET", "HEAD") or not segments:
        return verdict
    if segments[0] in PAGES:
        return PAGE
    return _decide_file(segments)


def _decide_file(segments: Sequence[str]) -> Verdict:
    if len(segments) == 2 and segments[0] == "assets" and _HASHED.fullmatch(segments[1]):
        return ASSET
    if len(segments) == 1 and _TOUCH_ICON.fullmatch(segments[0]):
        return READ
    return NO_ROW
