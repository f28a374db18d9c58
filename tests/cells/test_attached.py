from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.cells.signed_cell import KEY, ROOT_PATH, SignedCell, attached_cell

from roost.cells.attached import HARDENING, attach_instructions, page_findings, probe
from roost.cells.client import CellClient
from roost.cells.people import CellUser, service_user

TESTED = ["20.26.1"]


@pytest.fixture
async def page(signed_cell: SignedCell) -> AsyncIterator[str]:
    async with aiohttp.ClientSession() as session, session.get(signed_cell.cell.url) as answer:
        yield await answer.text()


async def found(
    signed_cell: SignedCell,
    client: CellClient,
    *,
    service: CellUser | None = None,
    root_path: str = ROOT_PATH,
    tested: list[str] = TESTED,
) -> list[str]:
    return await probe(
        client,
        signed_cell.sign_in(),
        service or service_user(KEY),
        tested_versions=tested,
        root_path=root_path,
    )


def test_instructions_are_lines_that_an_env_file_takes() -> None:
    told = attach_instructions(
        attached_cell("https://phoenix.acme.example"),
        provider_url="https://roost:8421",
        public_url="https://app.example.com",
        root_path=ROOT_PATH,
        trust_pem="PEM",
    )
    lines = told.as_lines().splitlines()
    assert {f"{name}={value}" for name, value in HARDENING.items()} < {*lines}
    assert "SSL_CERT_FILE=/run/roost/trust.pem" in lines
    assert "PHOENIX_ROOT_URL=https://app.example.com/api/phoenix/ui/acme" in lines
    assert (
        "PHOENIX_OAUTH2_ROOST_OIDC_CONFIG_URL="
        "https://roost:8421/roost-t-acme/.well-known/openid-configuration"
    ) in lines
    assert "phoenix-secret-of" not in repr(told)


async def test_a_phoenix_started_as_told_can_be_attached(signed_cell: SignedCell) -> None:
    async with signed_cell.client() as client:
        assert await found(signed_cell, client) == []


async def test_nobody_there_is_one_finding(signed_cell: SignedCell) -> None:
    async with signed_cell.client(address="http://127.0.0.1:9") as client:
        (finding,) = await found(signed_cell, client)
    assert finding.startswith("http://127.0.0.1:9 does not answer as Phoenix")


async def test_an_untested_version_is_told(signed_cell: SignedCell) -> None:
    async with signed_cell.client() as client:
        findings = await found(signed_cell, client, tested=["20.26.0", "20.25.9"])
    assert findings == ["Phoenix 20.26.1 is not tested; use 20.26.0 or 20.25.9"]


async def test_the_phoenix_of_another_tenant_is_refused(signed_cell: SignedCell) -> None:
    theirs = attached_cell(signed_cell.cell.url, "t-globex")
    async with signed_cell.client(client_id=theirs.client_id, secret=theirs.secret) as client:
        (finding,) = await found(signed_cell, client)
    assert finding.startswith("it does not sign in whom Roost names: OIDC there is set up for")


async def test_a_database_of_another_tenant_is_found(signed_cell: SignedCell) -> None:
    """Both Phoenixes see one table of users; here the address is taken as theirs would have."""
    service = service_user(b"an installation with a database of two tenants")
    await create_user(signed_cell, service.email)
    async with signed_cell.client() as client:
        findings = await found(signed_cell, client, service=service)
        await client.delete_users([service.email])
    assert findings == [
        "its database is in use by another tenant's Phoenix; give it one of its own"
    ]


async def create_user(signed_cell: SignedCell, email: str) -> None:
    user = {"email": email, "username": email, "role": "MEMBER", "auth_method": "OAUTH2"}
    headers = {"Authorization": f"Bearer {signed_cell.cell.admin_secret}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(
            f"{signed_cell.cell.url}/v1/users",
            json={
                "user": {**user, "oauth2_client_id": "roost-t-globex", "oauth2_user_id": "x"},
                "send_welcome_email": False,
            },
        ) as answer,
    ):
        assert answer.status == 201, await answer.text()


async def test_another_root_path_is_told(signed_cell: SignedCell) -> None:
    async with signed_cell.client() as client:
        findings = await found(signed_cell, client, root_path="/api/phoenix/ui/globex")
    assert findings == ["start it with PHOENIX_HOST_ROOT_PATH=/api/phoenix/ui/globex"]


@pytest.mark.parametrize(
    ("shown", "instead", "finding"),
    [
        ('authenticationEnabled: Boolean("True"', 'authenticationEnabled: Boolean("False"', "AUTH"),
        ('basicAuthDisabled: Boolean("True"', 'basicAuthDisabled: Boolean("False"', "BASIC_AUTH"),
        ('ldapEnabled: Boolean("False"', 'ldapEnabled: Boolean("True"', "LDAP"),
        ('mcpServerEnabled: Boolean("False"', 'mcpServerEnabled: Boolean("True"', "MCP"),
        ("agentAssistantDisabled", "renamedByALaterPhoenix", "AGENT_ASSISTANT"),
        ('oAuth2Idps: [{"', 'oAuth2Idps: [{"name": "google"}, {"', "only OAuth2 provider"),
    ],
    ids=["auth", "basic auth", "ldap", "mcp", "a flag is gone", "a second provider"],
)
def test_a_page_that_shows_another_setting_is_told(
    page: str, shown: str, instead: str, finding: str
) -> None:
    assert page_findings(page, ROOT_PATH) == []
    assert shown in page
    (told,) = page_findings(page.replace(shown, instead), ROOT_PATH)
    assert finding in told
