"""Whoever a request names twice, or by a proof of another place, is nobody."""

import socket
import subprocess
import sys

import httpx
import pytest
from examples.demo.session import COOKIE
from tests.cells.stock_phoenix import free_port, until
from tests.installation import Installation
from tests.isolation.conftest import Both
from tests.isolation.rows import home_of
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from roost.cells.secrets import cell_secrets, load_or_create_master_key
from roost.cli.listeners import foreign_listeners
from roost.model import TenantId

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is tested
QUERY = {"query": "{ projects { edges { node { name } } } }"}


def ask(roost: Installation, cookie: str, path: str = "/t/acme/v1/projects") -> httpx.Response:
    return httpx.get(roost.base + path, headers={"cookie": cookie}, timeout=60)


def halves(token: str) -> tuple[str, str]:
    return token[: len(token) // 2], token[len(token) // 2 :]


def test_two_people_s_cookies_name_nobody(roost: Installation, both: Both) -> None:
    ann, bob = roost.cookie("Ann", "acme")[COOKIE], roost.cookie("Bob", "globex")[COOKIE]
    for one, other in ((ann, bob), (bob, ann)):
        for path in ("/t/acme/v1/projects", "/t/globex/v1/projects"):
            assert ask(roost, f"{COOKIE}={one}; {COOKIE}={other}", path).status_code == 401


def test_chunks_are_of_one_session_or_of_none(roost: Installation, both: Both) -> None:
    ann, bob = roost.cookie("Ann", "acme")[COOKIE], roost.cookie("Bob", "globex")[COOKIE]
    (a, b), (c, d) = halves(ann), halves(bob)
    assert ask(roost, f"{COOKIE}.0={a}; {COOKIE}.1={b}").status_code == 200
    for mixed in (
        f"{COOKIE}.0={a}; {COOKIE}.1={d}",
        f"{COOKIE}.0={c}; {COOKIE}.1={b}",
        f"{COOKIE}.0={a}; {COOKIE}.1={b}; {COOKIE}.1={d}",
        f"{COOKIE}={ann}; {COOKIE}.0={c}; {COOKIE}.1={d}",
        f"{COOKIE}.0={a}; {COOKIE}.2={b}",
    ):
        for path in ("/t/acme/v1/projects", "/t/globex/v1/projects"):
            assert ask(roost, mixed, path).status_code == 401, mixed


def test_phoenix_s_cookies_beside_a_session_change_nothing(roost: Installation, both: Both) -> None:
    ann = f"{COOKIE}={roost.cookie('Ann', 'acme')[COOKIE]}"
    token = cell_token(roost, "globex")
    dressed = ask(roost, f"phoenix-access-token={token}; phoenix-refresh-token={token}; {ann}")
    assert dressed.content == ask(roost, ann).content
    assert ask(roost, f"phoenix-access-token={token}").status_code == 401


@pytest.mark.parametrize("tenant", ["acme", "globex"])
def test_a_real_token_of_a_cell_is_no_proof(roost: Installation, both: Both, tenant: str) -> None:
    token = cell_token(roost, tenant)
    with roost.client(token) as client:
        for path in ("/v1/projects", "/t/acme/v1/projects", "/t/globex/v1/projects"):
            assert client.get(path).status_code == 401
        assert client.post(f"/t/{tenant}/graphql", json=QUERY).status_code == 401


def test_one_cell_s_secrets_open_no_other(roost: Installation, both: Both) -> None:
    """Cells stand side by side on loopback: each knows its own admin secret and no other's."""
    addresses = {slug: row["address"] for slug, row in roost.cells().items()}
    for slug, other in (("acme", "globex"), ("globex", "acme")):
        key = {"authorization": f"Bearer {cell_token(roost, slug)}"}
        own = httpx.get(f"{addresses[slug]}/v1/projects", headers=key, timeout=60)
        foreign = httpx.get(f"{addresses[other]}/v1/projects", headers=key, timeout=60)
        assert (own.status_code, foreign.status_code) == (200, 401)


def cell_token(roost: Installation, tenant: str) -> str:
    """What opens that cell itself to whoever reaches it: its admin secret."""
    master_key = load_or_create_master_key(roost.data_dir / "master.key")
    return cell_secrets(master_key, TenantId(home_of(roost, tenant).name)).admin


@pytest.mark.parametrize(
    "site",
    ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-origin"],
)
@pytest.mark.parametrize("path", ["/t/acme/v1/projects", "/ui/acme/graphql", "/ui/globex/"])
def test_upgrades_open_no_socket(roost: Installation, both: Both, site: str, path: str) -> None:
    assert upgraded(roost, path, site) in (b"403", b"404")


@pytest.mark.parametrize("site", ["Origin: https://evil.example", "Sec-Fetch-Site: cross-site"])
@pytest.mark.parametrize("path", ["/live", "/t/acme/live", "/t/globex/live"])
def test_a_foreign_page_opens_no_live_view(
    roost: Installation, both: Both, site: str, path: str
) -> None:
    assert upgraded(roost, path, site) == b"403"


def test_another_tenant_s_live_view_is_closed_as_one_that_is_not_there(
    roost: Installation, both: Both
) -> None:
    """A browser shows its page only how a socket was closed, so it is opened for that."""
    cookie = f"{COOKIE}={roost.cookie('Ann', 'acme')[COOKIE]}"
    headers = {"cookie": cookie, "sec-fetch-site": "same-origin"}
    closed = []
    for slug in ("globex", "nobody-such"):
        url = f"{roost.base}/t/{slug}/live".replace("http:", "ws:")
        with connect(url, additional_headers=headers) as watched:
            with pytest.raises(ConnectionClosedError):
                watched.recv(10)
            closed.append((watched.close_code, watched.close_reason))
    assert closed[0] == closed[1]
    assert closed[0][0] == 4404


def upgraded(roost: Installation, path: str, site: str) -> bytes:
    """The status of an upgrade that Ann's browser asks for."""
    head = (
        f"GET /api/phoenix{path} HTTP/1.1\r\nHost: 127.0.0.1:{roost.port}\r\n{site}\r\n"
        f"Cookie: {COOKIE}={roost.cookie('Ann', 'acme')[COOKIE]}\r\n"
        "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", roost.port), 30) as connection:
        connection.sendall(head.encode())
        return connection.recv(64).split()[1]


def test_beyond_loopback_only_the_gateway_listens(roost: Installation, both: Both) -> None:
    """A gateway for everybody beside the same keeper: one port is open, and it knows its hosts."""
    port = free_port()
    environment = {**roost.environment(), "ROOST_HOST": EVERYWHERE, "ROOST_PORT": str(port)}
    gateway = subprocess.Popen(
        [sys.executable, "-m", "roost.cli", "gateway"], env=environment, cwd=roost.data_dir
    )
    try:
        health = f"http://127.0.0.1:{port}/api/phoenix/healthz"
        until(lambda: answers(health), "the gateway answered", 60)
        assert foreign_listeners(gateway.pid) == [f"{EVERYWHERE}:{port}"]
        assert httpx.get(health, timeout=30).status_code == 403  # it knows no host's name yet
    finally:
        gateway.terminate()
        gateway.wait(30)


def answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=5)
    except httpx.TransportError:
        return False
    return True
