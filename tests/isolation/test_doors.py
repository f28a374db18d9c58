"""Every other way somebody might try: spellings, headers, cookies, keys, sockets, caches."""

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.cells.stock_phoenix import free_port, require, until
from tests.installation import BASE, Installation
from tests.isolation.conftest import THEIRS, Both

from roost.cli.listeners import foreign_listeners

SPELLINGS = (
    "/t/acme/../globex/v1/projects",
    "/t/acme/%2e%2e/globex/v1/projects",
    "/t/acme/..%2fglobex/v1/projects",
    "/t/acme%2f..%2fglobex/v1/projects",
    "/t/globex%00/v1/projects",
    "/t//globex/v1/projects",
    "/t/globex/./v1/projects",
    "/t/acme;/../globex/v1/projects",
    "/t/acme\\..\\globex/v1/projects",
    "/t/%67lobex/v1/projects",
    "/t/%2567lobex/v1/projects",
    "/t/GLOBEX/v1/projects",
    "/t/globex./v1/projects",
    "/t/globex /v1/projects",
    "/t/globe\u0445/v1/projects",
    "/ui/acme/../globex/v1/projects",
    "/ui/acme/%2e%2e/globex/graphql",
    "/ui/globex/../../t/globex/v1/projects",
    "/v1/../t/globex/v1/projects",
    "/t/globex/v1/projects?tenant=acme",
    "/t/globex/v1/projects#/t/acme",
)
HEADERS = (
    {"X-Original-URL": f"{BASE}/t/globex/v1/projects"},
    {"X-Rewrite-URL": f"{BASE}/t/globex/v1/projects"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"X-Forwarded-Prefix": f"{BASE}/t/globex"},
    {"X-Forwarded-User": "bob"},
    {"X_Forwarded_Email": "bob@globex.example"},
    {"X-Roost-Tenant": "globex"},
    {"Forwarded": "for=127.0.0.1;host=globex"},
)


def raw(roost: Installation, target: str, cookies: dict[str, str], more: str = "") -> str:
    """An answer to a request line as it is, without a client that puts it in order."""
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    head = (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{roost.port}\r\nCookie: {cookie}\r\n"
        f"Connection: close\r\n{more}\r\n"
    )
    with socket.create_connection(("127.0.0.1", roost.port), 30) as connection:
        connection.sendall(head.encode())
        parts = iter(lambda: connection.recv(65536), b"")
        return b"".join(parts).decode("utf-8", "replace")


@pytest.mark.parametrize("path", SPELLINGS)
def test_no_spelling_of_a_path_leads_there(roost: Installation, both: Both, path: str) -> None:
    answer = raw(roost, BASE + path, roost.cookie("Ann", "acme"))
    assert THEIRS not in answer
    assert answer.split()[1] in ("400", "404")


def test_no_absolute_target_leads_there(roost: Installation, both: Both) -> None:
    target = f"http://globex{BASE}/t/globex/v1/projects"
    assert THEIRS not in raw(roost, target, roost.cookie("Ann", "acme"))


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: next(iter(headers)))
def test_no_header_leads_there(roost: Installation, both: Both, headers: dict[str, str]) -> None:
    with roost.client(roost.cookie("Ann", "acme")) as client:
        plain = client.get("/t/acme/v1/projects")
        dressed = client.get("/t/acme/v1/projects", headers=headers)
        assert dressed.text == plain.text
        assert client.get("/t/globex/v1/projects", headers=headers).status_code == 404


def test_phoenix_s_own_cookies_and_tokens_open_nothing(roost: Installation, both: Both) -> None:
    cookies = {"phoenix-access-token": "x.y.z", "phoenix-refresh-token": "x.y.z"}
    with roost.client(cookies) as client:
        assert client.get("/t/globex/v1/projects").status_code == 401
    with roost.client("eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJBY2Nlc3NUb2tlbjoxIn0.c2ln") as client:
        assert client.get("/t/globex/v1/projects").status_code == 401


def test_two_proofs_of_different_people_are_refused(roost: Installation, both: Both) -> None:
    with roost.client(roost.cookie("Ann", "acme")) as client:
        key = {"authorization": f"Bearer {roost.key('globex', 'read')}"}
        answer = client.get("/t/globex/v1/projects", headers=key)
    assert answer.status_code == 401
    assert "different people" in answer.json()["detail"]


def test_a_key_sends_spans_to_its_own_tenant_alone(roost: Installation, both: Both) -> None:
    """Naming the other's project by header or resource makes one's own project of that name."""
    batch = {
        "resourceSpans": [
            {
                "resource": {"attributes": []},
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": "1" * 32,
                                "spanId": "2" * 16,
                                "name": "stray",
                                "startTimeUnixNano": "1790000000000000000",
                                "endTimeUnixNano": "1790000001000000000",
                            }
                        ]
                    }
                ],
            }
        ]
    }
    with roost.client(roost.key("default", "ingest", "read")) as client:
        sent = client.post("/v1/traces", json=batch, headers={"x-project-name": "stray"})
        assert sent.status_code == 200
        assert client.post("/t/globex/v1/traces", json=batch).status_code == 404
        until(lambda: "stray" in client.get("/v1/projects/stray/spans").text, "it was stored", 30)
    with roost.client(roost.cookie("Bob", "globex")) as client:
        assert "stray" not in client.get("/t/globex/v1/projects").text


def test_a_revoked_key_is_refused_at_once(roost: Installation) -> None:
    text = roost.cli("keys", "create", "--tenant", "acme", "--scope", "read", "--json")
    minted = json.loads(text)
    with roost.client(minted["key"]) as client:
        assert client.get("/v1/projects").status_code == 200
        roost.cli("keys", "revoke", minted["id"], "--tenant", "acme")
        until(lambda: client.get("/v1/projects").status_code == 401, "it was refused", 1)


def test_a_recreated_slug_is_another_tenant(roost: Installation) -> None:
    roost.tenant("phoenix-club")
    first = roost.key("phoenix-club", "read")
    with roost.client(first) as client:
        assert client.get("/v1/projects").status_code == 200
    homes = set((roost.data_dir / "homes").iterdir())
    roost.cli("tenants", "delete", "phoenix-club", "--yes")
    gone = homes - set((roost.data_dir / "homes").iterdir())
    assert len(gone) == 1
    roost.tenant("phoenix-club")
    with roost.client(first) as client:
        # For a minute the key may still be known: as one of a tenant that is not there.
        assert client.get("/v1/projects").status_code in (401, 404)
    roost.cli("tenants", "delete", "phoenix-club", "--yes")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "null"},
        {},
    ],
    ids=["origin", "cross-site", "same-site", "none", "null", "neither"],
)
def test_foreign_pages_change_nothing(roost: Installation, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=roost.base, cookies=roost.cookie("Ann", "acme")) as client:
        body = {"name": "made-by-a-foreign-page"}
        assert client.post("/t/acme/v1/projects", json=body, headers=headers).status_code == 403
        assert client.post("/sign-out", headers=headers).status_code == 403
        answer = client.get("/t/acme/v1/projects", headers={"host": "evil.example"})
        assert answer.status_code == 403
        assert "made-by-a-foreign-page" not in client.get("/t/acme/v1/projects").text


def test_answers_never_carry_what_opens_a_cell(roost: Installation, both: Both) -> None:
    address = str(roost.cells()["acme"]["address"])
    with roost.client(roost.cookie("Ann", "acme")) as client:
        for path in ("/ui/acme/", "/t/acme/v1/projects", "/ui/acme/login", "/api/me"):
            answer = client.get(path)
            text = f"{answer.headers} {answer.text}"
            assert "set-cookie" not in answer.headers
            assert "phoenix-access-token" not in text
            assert address not in text


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        ("viewer", "GET", "/v1/projects", 200),
        ("viewer", "POST", "/v1/projects", 403),
        ("member", "DELETE", "/v1/projects/no-such-project", 403),
        ("admin", "DELETE", "/v1/projects/no-such-project", 404),
        ("admin", "GET", "/v1/users", 403),
        ("admin", "POST", "/v1/system/api_keys", 403),
        ("end_user", "GET", "/v1/projects", 403),
        ("nobody", "GET", "/v1/projects", 404),
    ],
)
def test_roles_do_what_their_names_say(
    roost: Installation, role: str, method: str, path: str, status: int
) -> None:
    with roost.client(roost.cookie("Ann", "acme", role)) as client:
        body = {"name": "x"} if method == "POST" else None
        assert client.request(method, f"/t/acme{path}", json=body).status_code == status


def test_a_cell_knows_no_other_tenant_and_listens_on_loopback(
    roost: Installation, both: Both
) -> None:
    require(Path("/proc/self/environ").exists(), "/proc")
    rows = roost.cells()
    ids = {row["slug"]: row["id"] for row in json.loads(roost.cli("tenants", "list", "--json"))}
    for slug in ("acme", "globex"):
        folder = Path(f"/proc/{rows[slug]['pid']}")
        files = [str(link.readlink()) for link in (folder / "fd").iterdir()]
        known = (folder / "environ").read_bytes().decode() + (folder / "cmdline").read_text()
        for other in {"acme", "globex", "default"} - {slug}:
            assert ids[other] not in known + "".join(files)
            assert f"/{other}" not in known
    for pid in _tree(roost.process.pid):
        assert foreign_listeners(pid) == []


def _tree(root: int) -> Iterator[int]:
    yield root
    for task in Path(f"/proc/{root}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from _tree(int(child))


@pytest.fixture
def nginx(roost: Installation, tmp_path: Path) -> Iterator[str]:
    """A cache that keeps whatever it may, by URL alone."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or ""
    require(program, "nginx")
    port = free_port()
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind}; "
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root; " if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(
        f"{user}daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary}"
        f"proxy_cache_path {tmp_path}/cache keys_zone=all:1m;\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {roost.url};\n"
        "proxy_set_header Host 127.0.0.1; proxy_cache all; proxy_cache_key $uri;\n"
        "add_header x-cache $upstream_cache_status; } } }\n"
    )
    process = subprocess.Popen([program, "-c", str(tmp_path / "nginx.conf")])
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: _listens(port), "nginx listened", 20)
        yield url + BASE
    finally:
        process.terminate()
        process.wait(20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_cache_in_front_serves_nobody_another_s_bytes(
    roost: Installation, both: Both, nginx: str
) -> None:
    paths = ("/ui/acme/", "/t/acme/v1/projects", "/v1/projects", "/api/me", "/app/acme")
    ann, bob = roost.cookie("Ann", "acme"), roost.cookie("Bob", "globex")
    for path in paths:
        first = httpx.get(nginx + path, cookies=ann)
        assert first.status_code == 200
        assert first.headers["x-cache"] == "MISS"
        other = httpx.get(nginx + path, cookies=bob)
        assert other.headers.get("x-cache") != "HIT"
        assert both.acme.canary not in other.text
        assert httpx.get(nginx + path).status_code == 401


def test_hashed_assets_are_the_browser_s_to_keep_and_nobody_else_s(
    roost: Installation, both: Both, nginx: str
) -> None:
    """A shared cache that kept them would tell strangers which tenants there are."""
    ann, bob = roost.cookie("Ann", "acme"), roost.cookie("Bob", "globex")
    page = httpx.get(f"{nginx}/ui/acme/", cookies=ann).text
    assets = re.findall(r'"([^"]*/assets/[^"]+\.js)"', page)
    url = nginx.removesuffix(BASE) + assets[0]
    kept = httpx.get(url, cookies=ann)
    assert kept.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert httpx.get(url, cookies=bob).status_code == 404
    assert httpx.get(url).status_code == 401
