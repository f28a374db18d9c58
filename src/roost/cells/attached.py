"""A Phoenix that someone else runs, at a URL: what it must be started with, and whether it was.

Rule 1: there is no attach without OIDC: a cell that does not sign in whom Roost names is refused.
Rule 2: whatever can be seen from outside is checked, and all findings are told at once.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from roost.cells.client import IDP, CellClient
from roost.cells.people import CellUser
from roost.cells.sign_in import SignIn
from roost.errors import Unavailable
from roost.model import TenantId

TRUST_FILE = "/run/roost/trust.pem"
"""Where the printed environment expects Roost's authority and the public roots."""
_PROVIDER = f"PHOENIX_OAUTH2_{IDP.upper()}"
HARDENING: Mapping[str, str] = {
    "PHOENIX_ENABLE_AUTH": "true",
    "PHOENIX_DISABLE_BASIC_AUTH": "true",
    "PHOENIX_DISABLE_RATE_LIMIT": "true",
    "PHOENIX_TELEMETRY_ENABLED": "false",
    "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
    "PHOENIX_ENABLE_MCP_SERVER": "false",
    "PHOENIX_ENABLE_OAUTH2_AUTHORIZATION_SERVER": "false",
    "PHOENIX_ALLOWED_SANDBOX_PROVIDERS": "NONE",
    f"{_PROVIDER}_AUTO_LOGIN": "true",
    f"{_PROVIDER}_ALLOW_SIGN_UP": "true",
    f"{_PROVIDER}_USE_PKCE": "true",
    f"{_PROVIDER}_ROLE_ATTRIBUTE_PATH": "role",
    f"{_PROVIDER}_ROLE_ATTRIBUTE_STRICT": "true",
}
"""The same for every cell. Rate limits: Phoenix's would count all people as one; Roost limits."""
_EXPECTED: Mapping[str, tuple[bool, str]] = {
    "authenticationEnabled": (True, "PHOENIX_ENABLE_AUTH=true"),
    "basicAuthDisabled": (True, "PHOENIX_DISABLE_BASIC_AUTH=true"),
    "ldapEnabled": (False, "no PHOENIX_LDAP_HOST"),
    "allowExternalResources": (False, "PHOENIX_ALLOW_EXTERNAL_RESOURCES=false"),
    "agentAssistantDisabled": (True, "PHOENIX_DISABLE_AGENT_ASSISTANT=true"),
    "mcpServerEnabled": (False, "PHOENIX_ENABLE_MCP_SERVER=false"),
}
"""What Phoenix's page tells of its settings: the value that a cell must show, and how to set it."""
_FLAG = re.compile(r'(\w+): Boolean\("(\w*)" == "True"\)')
_BASENAME = re.compile(r'basename: "([^"]*)"')
_PROVIDERS = re.compile(r"oAuth2Idps: (\[.*?\]),?\s*$", re.MULTILINE)
_AUTHORIZATION_SERVER = "/.well-known/oauth-authorization-server"


@dataclass(frozen=True, slots=True)
class AttachedCell:
    """`url` is where Roost reaches Phoenix, without a slash at its end; `ca_pem` checks its
    certificate where that is no public one. The secrets are Roost's to choose: one set a tenant,
    so no Phoenix passes for the cell of two."""

    tenant_id: TenantId
    url: str
    client_id: str
    client_secret: str = field(repr=False)
    secret: str = field(repr=False)
    admin_secret: str = field(repr=False)
    admin_password: str = field(repr=False)
    ca_pem: str = ""


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the other Phoenix is started with; `trust_pem` goes into SSL_CERT_FILE's file."""

    environment: Mapping[str, str] = field(repr=False)
    trust_pem: str

    def as_lines(self) -> str:
        """`NAME=value` lines, as an env file takes them."""
        return "".join(f"{name}={value}\n" for name, value in self.environment.items())


def attach_instructions(
    cell: AttachedCell, *, provider_url: str, public_url: str, root_path: str, trust_pem: str
) -> Instructions:
    """`provider_url` is the internal listener as that Phoenix reaches it (Phoenix takes plain HTTP
    from localhost only); `public_url` the app's origin; `root_path` the cell's UI prefix there."""
    discovery = f"{provider_url}/{cell.client_id}/.well-known/openid-configuration"
    own = {
        "PHOENIX_SECRET": cell.secret,
        "PHOENIX_ADMIN_SECRET": cell.admin_secret,
        "PHOENIX_DEFAULT_ADMIN_INITIAL_PASSWORD": cell.admin_password,
        "PHOENIX_ROOT_URL": f"{public_url}{root_path}",
        "PHOENIX_HOST_ROOT_PATH": root_path,
        "PHOENIX_COOKIES_PATH": root_path,
        f"{_PROVIDER}_CLIENT_ID": cell.client_id,
        f"{_PROVIDER}_CLIENT_SECRET": cell.client_secret,
        f"{_PROVIDER}_OIDC_CONFIG_URL": discovery,
    }
    trust = {"SSL_CERT_FILE": TRUST_FILE} if discovery.startswith("https:") else {}
    return Instructions({**HARDENING, **own, **trust}, trust_pem)


async def probe(
    client: CellClient,
    sign_in: SignIn,
    service: CellUser,
    *,
    tested_versions: Sequence[str],
    root_path: str,
) -> list[str]:
    """Why that Phoenix cannot be this tenant's cell, one sentence each; none if it can.

    Signs `service` in for good: it is the same in every cell, so a database that belongs to
    another tenant already is found by it (`people.service_user`).
    """
    try:
        version = await client.version()
    except Unavailable as error:
        return [f"{client.address} does not answer as Phoenix ({error.reason})"]
    findings = []
    if version not in tested_versions:
        findings.append(f"Phoenix {version} is not tested; use {' or '.join(tested_versions)}")
    return [
        *findings,
        *await _settings(client, root_path),
        *await _signs_in(client, sign_in, service),
    ]


async def _signs_in(client: CellClient, sign_in: SignIn, service: CellUser) -> list[str]:
    try:
        await client.prove()
        await sign_in.token(client, service)
    except Unavailable as error:
        if "email_in_use" in error.reason:
            return ["its database is in use by another tenant's Phoenix; give it one of its own"]
        return [f"it does not sign in whom Roost names: {error.reason}"]
    finally:
        sign_in.forget(client.instance)
    return []


async def _settings(client: CellClient, root_path: str) -> list[str]:
    async with client.get("/") as answer:
        page = await answer.text()
    async with client.get(_AUTHORIZATION_SERVER) as answer:
        closed = answer.status == 404
    findings = page_findings(page, root_path)
    if not closed:
        findings.append("start it with PHOENIX_ENABLE_OAUTH2_AUTHORIZATION_SERVER=false")
    return findings


def page_findings(page: str, root_path: str) -> list[str]:
    """What the settings in Phoenix's own HTML page say against it."""
    shown = {name: value == "True" for name, value in _FLAG.findall(page)}
    findings = [
        f"start it with {setting}"
        for name, (value, setting) in _EXPECTED.items()
        if shown.get(name) is not value
    ]
    if _BASENAME.findall(page) != [root_path]:
        findings.append(f"start it with PHOENIX_HOST_ROOT_PATH={root_path}")
    if _providers(page) != [IDP]:
        findings.append(f"leave {_PROVIDER}_* its only OAuth2 provider")
    return findings


def _providers(page: str) -> list[str]:
    found = _PROVIDERS.search(page)
    try:
        return [str(provider["name"]) for provider in json.loads(found.group(1) if found else "[]")]
    except (ValueError, KeyError, TypeError):
        return []
