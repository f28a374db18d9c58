"""`roost explain`: what would happen to a call, and why. The caller is told neither."""

from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from roost.cli.console import out, print_json
from roost.cli.tenants import Json
from roost.errors import RoostError
from roost.http.routes import Endpoint, Match, match
from roost.model import Role
from roost.policy import graphql, routes, ui
from roost.policy.decision import Allow, Refuse
from roost.policy.paths import parse_path
from roost.policy.verdict import Elsewhere, Verdict
from roost.settings import load_settings


class RoleName(StrEnum):
    END_USER = Role.END_USER.label
    VIEWER = Role.VIEWER.label
    MEMBER = Role.MEMBER.label
    ADMIN = Role.ADMIN.label


def explain(
    method: Annotated[str, typer.Argument(help="GET, POST, …")],
    path: Annotated[str, typer.Argument(help="The URL's path, as it is sent.")],
    query: Annotated[str, typer.Option(help="The GraphQL document of the body.")] = "",
    role: Annotated[RoleName, typer.Option(help="Role in the tenant.")] = RoleName.VIEWER,
    json: Json = False,
) -> None:
    """Say which row decides about a call, for somebody with that role in the tenant."""
    allowed, why = verdict_on(
        method.upper(), path, query, Role[role.name], load_settings().base_path
    )
    if json:
        print_json({"allowed": allowed, "why": why})
    else:
        out.print(("Allowed: " if allowed else "Refused: ") + why, markup=False)
    if not allowed:
        raise typer.Exit(1)


def verdict_on(method: str, path: str, query: str, role: Role, base_path: str) -> tuple[bool, str]:
    """Whether the call is allowed, and the reason."""
    raw = path.removeprefix(base_path).encode()
    parsed = parse_path(raw or b"/")
    if parsed is None:
        return False, "the path is not in order (empty or dot segments, encoded slashes, …)"
    found = match(method, parsed.segments)
    if found is None:
        return False, "404: no row of http/routes.py names this path"
    try:
        return _about(method, found, query, role)
    except RoostError as error:
        return False, f"{error.status}: {error.message}"


def _about(method: str, found: Match, query: str, role: Role) -> tuple[bool, str]:
    is_graphql = found.endpoint is Endpoint.GRAPHQL or (
        found.endpoint is Endpoint.UI and found.rest == ("graphql",) and method == "POST"
    )
    if is_graphql:
        body = msgspec.json.encode({"query": query})
        return _told(graphql.judge(body, "application/json").decision, role)
    if found.endpoint is Endpoint.UI and found.rest[:1] != ("v1",):
        return _told(ui.decide_ui(method, found.rest), role)
    if found.endpoint in (Endpoint.REST, Endpoint.UI):
        return _told(routes.decide_rest(method, found.rest), role)
    return True, f"Roost's own: {found.endpoint.name.lower()}"


def _told(verdict: Verdict, role: Role) -> tuple[bool, str]:
    match verdict:
        case Allow() if role >= verdict.needs:
            marks = [name for name in ("changes", "heavy", "reconcile") if getattr(verdict, name)]
            return True, ", ".join([f"needs {verdict.needs.label}", *marks])
        case Allow():
            return False, f"403: needs {verdict.needs.label}, this is {role.label}"
        case Refuse():
            return False, f"{403 if verdict.pointer else 404}: {verdict.reason}"
        case Elsewhere():
            return False, f"not forwarded: {verdict.value}"
