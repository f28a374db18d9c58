import asyncio
import base64
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
import trustme
from openai import AsyncOpenAI, PermissionDeniedError
from tests.cells.model_server import ModelServer

from roost.cells.egress import EgressLimits, EgressProxy
from roost.cells.egress_dial import Dialler, Streams, connect_by_system
from roost.cells.egress_rules import egress_environment, parse_rules, proxy_url
from roost.model import TenantId

ACME, GLOBEX = TenantId("t_acme"), TenantId("t_globex")
PASSWORDS = {ACME: "acme-secret", GLOBEX: "globex-secret"}
DEADLINE_S = 20


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer().serving() as server:
        yield server


def proxy(
    *entries: str, limits: EgressLimits | None = None, dialler: Dialler | None = None
) -> EgressProxy:
    return EgressProxy(parse_rules(entries), PASSWORDS.get, limits, dialler)


def client(
    port: int,
    tenant: TenantId = ACME,
    password: str | None = None,
    verify: ssl.SSLContext | bool = True,
) -> httpx.AsyncClient:
    url = proxy_url(port, tenant, PASSWORDS[tenant] if password is None else password)
    return httpx.AsyncClient(proxy=url, timeout=DEADLINE_S, verify=verify)


def local(server: ModelServer, path: str = "", scheme: str = "http") -> str:
    return f"{scheme}://localhost:{server.port}{path}"


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield reader, writer
    finally:
        writer.close()


def credentials(tenant: TenantId = ACME) -> bytes:
    return base64.b64encode(f"{tenant}:{PASSWORDS[tenant]}".encode())


async def connect(streams: Streams, authority: str, tenant: TenantId = ACME) -> bytes:
    """The status line that a CONNECT is answered with; on success the tunnel is open."""
    reader, writer = streams
    name = authority.encode()
    head = b"CONNECT %b HTTP/1.1\r\nhost: %b\r\nproxy-authorization: Basic %b\r\n\r\n"
    writer.write(head % (name, name, credentials(tenant)))
    return (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0]


# What the clients inside a cell see


async def test_openais_client_streams_from_a_listed_server(
    model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy(local(model)).serving() as port:
        put_into_environment(monkeypatch, port)
        async with AsyncOpenAI(api_key="k", base_url=local(model, "/v1"), max_retries=0) as openai:
            stream = await openai.chat.completions.create(
                model="tiny", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            words: list[str] = []
            async with asyncio.timeout(DEADLINE_S):
                async for chunk in stream:
                    words.append(chunk.choices[0].delta.content or "")
                    model.go_on.set()
    assert words == ["Hello", " Ann"]


async def test_openais_client_says_which_setting_refuses_an_unlisted_server(
    model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxy().serving() as port:
        put_into_environment(monkeypatch, port)
        async with AsyncOpenAI(api_key="k", base_url=local(model, "/v1"), max_retries=0) as openai:
            with pytest.raises(PermissionDeniedError, match="Not in egress_allow") as caught:
                await openai.chat.completions.create(
                    model="tiny", messages=[{"role": "user", "content": "Hi" * 100_000}]
                )
    assert local(model) in str(caught.value)


def put_into_environment(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in egress_environment(proxy_url(port, ACME, PASSWORDS[ACME])).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def tls_model(authority: trustme.CA) -> AsyncIterator[ModelServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    async with ModelServer().serving(context) as server:
        yield server


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_tls_passes_untouched_through_a_tunnel(
    tls_model: ModelServer, authority: trustme.CA
) -> None:
    url = local(tls_model, "/blob/3000000", "https")
    async with (
        proxy(local(tls_model, scheme="https")).serving() as port,
        client(port, verify=trusting(authority)) as http,
    ):
        assert (await http.get(url)).content == bytes(3_000_000)


async def test_a_refused_tunnel_says_which_setting_refuses_it(tls_model: ModelServer) -> None:
    async with proxy().serving() as port, client(port) as http:
        with pytest.raises(httpx.ProxyError, match="403 Not in egress_allow: https://localhost"):
            await http.get(local(tls_model, "/echo", "https"))


# What goes on to the server


async def test_a_plain_request_is_written_anew(model: ModelServer) -> None:
    headers = {
        "host": "evil.test",
        "connection": "x-hop",
        "x-hop": "1",
        "proxy-connection": "keep-alive",
        "te": "trailers",
        "x-stays": "2",
    }
    async with proxy(local(model)).serving() as port, client(port) as http:
        seen = (await http.get(local(model, "/echo?q=a%2Fb"), headers=headers)).json()
    assert seen["path"] == "/echo?q=a%2Fb"
    assert seen["headers"]["host"] == f"localhost:{model.port}"
    assert seen["headers"]["x-stays"] == "2"
    gone = {"proxy-authorization", "proxy-connection", "x-hop", "te"}
    assert gone.isdisjoint(seen["headers"])


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(65_536)


@pytest.mark.parametrize(
    "content",
    [lambda: bytes(64 * 65_536), lambda: chunks(64)],
    ids=["with a length", "chunked"],
)
async def test_a_body_goes_up_whole(
    model: ModelServer, content: Callable[[], bytes | AsyncIterator[bytes]]
) -> None:
    async with proxy(local(model)).serving() as port, client(port) as http:
        seen = (await http.post(local(model, "/echo"), content=content())).json()
    assert (seen["method"], seen["size"]) == ("POST", 64 * 65_536)


async def test_a_body_waits_for_100_continue_no_longer_than_it_must(model: ModelServer) -> None:
    head = (
        b"POST http://localhost:%d/echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
        b"content-length: 2\r\nproxy-authorization: Basic %b\r\n\r\n"
    )
    async with proxy(local(model)).serving() as port, raw(port) as (reader, writer):
        writer.write(head % (model.port, credentials()))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"hi")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_an_answer_comes_down_whole(model: ModelServer) -> None:
    async with proxy(local(model)).serving() as port, client(port) as http:
        for size in (0, 1, 5_000_000):
            assert (await http.get(local(model, f"/blob/{size}"))).content == bytes(size)
        assert (await http.head(local(model, "/echo"))).content == b""


async def test_an_answer_that_breaks_off_is_seen_to_break_off(model: ModelServer) -> None:
    async with proxy(local(model)).serving() as port, client(port) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(local(model, "/cut"))


# Who may


@pytest.mark.parametrize(
    ("tenant", "password"),
    [(ACME, "globex-secret"), (ACME, ""), (GLOBEX, "acme-secret")],
    ids=["another cell's password", "no password", "another cell's name"],
)
async def test_a_cell_names_itself_with_its_own_password(
    model: ModelServer, tenant: TenantId, password: str
) -> None:
    async with proxy(local(model)).serving() as port, client(port, tenant, password) as http:
        assert (await http.get(local(model, "/echo"))).status_code == 407


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"proxy-authorization: Basic !!\r\n",
        b"proxy-authorization: Basic /w==\r\n",
        b"proxy-authorization: Bearer " + base64.b64encode(b"t_acme:acme-secret") + b"\r\n",
        b"proxy-authorization: Basic " + base64.b64encode(b"t_nobody:") + b"\r\n",
        b"authorization: Basic " + base64.b64encode(b"t_acme:acme-secret") + b"\r\n",
    ],
    ids=["nothing", "no base64", "no UTF-8", "bearer", "an unknown cell", "another header"],
)
async def test_nobody_else_gets_through(model: ModelServer, header: bytes) -> None:
    async with proxy(local(model)).serving() as port, raw(port) as (reader, writer):
        writer.write(b"CONNECT localhost:%d HTTP/1.1\r\nhost: x\r\n%b\r\n" % (model.port, header))
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 407")
    assert b"proxy-authenticate: Basic" in answer.lower().replace(b"basic", b"Basic")


# Where a name leads


class Names:
    """Scripted answers of a name service, the last one repeating, and a note of each question."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Nat:
    """Every connection lands on one loopback port; which address it was for is noted."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.opened: list[str] = []

    async def connect(self, address: str, port: int) -> Streams:
        self.opened.append(address)
        if address == "192.0.2.1":
            raise ConnectionRefusedError
        return await connect_by_system("127.0.0.1", self.port)


async def test_the_address_that_was_judged_is_the_one_connected(model: ModelServer) -> None:
    names, nat = Names(["93.184.216.34"], ["127.0.0.1"]), Nat(model.port)
    rules = ["http://models.example.com"]
    dialler = Dialler(names.resolve, nat.connect)
    async with proxy(*rules, dialler=dialler).serving() as port, client(port) as http:
        assert (await http.get("http://models.example.com/echo")).status_code == 200
    assert names.asked == ["models.example.com"]
    assert nat.opened == ["93.184.216.34"]


async def test_a_wildcard_leads_to_no_inner_address(model: ModelServer) -> None:
    names, nat = Names(["10.0.0.1", "169.254.169.254", "::1"]), Nat(model.port)
    dialler = Dialler(names.resolve, nat.connect)
    async with (
        proxy("http://*.example.com", dialler=dialler).serving() as port,
        client(port) as http,
    ):
        answer = await http.get("http://models.example.com/echo")
    assert (answer.status_code, nat.opened) == (403, [])
    assert "egress_allow" in answer.text


async def test_the_next_address_is_tried_and_an_inner_one_skipped(model: ModelServer) -> None:
    names, nat = Names(["10.0.0.1", "192.0.2.1", "93.184.216.34"]), Nat(model.port)
    dialler = Dialler(names.resolve, nat.connect)
    async with (
        proxy("http://models.example.com", dialler=dialler).serving() as port,
        client(port) as http,
    ):
        assert (await http.get("http://models.example.com/echo")).status_code == 200
    assert nat.opened == ["10.0.0.1"]


@pytest.mark.parametrize("answers", [[], ["192.0.2.1"]], ids=["no address", "no listener"])
async def test_a_host_that_does_not_answer_is_a_502(answers: Sequence[str]) -> None:
    dialler = Dialler(Names(answers).resolve, Nat(1).connect)
    async with (
        proxy("http://models.example.com", dialler=dialler).serving() as port,
        client(port) as http,
    ):
        answer = await http.get("http://models.example.com/echo")
    assert answer.status_code == 502
    assert answer.json()["error"]["message"] == "models.example.com:80 does not answer"


async def test_a_connection_that_never_opens_is_given_up() -> None:
    async def never(address: str, port: int) -> Streams:
        await asyncio.Event().wait()
        raise AssertionError

    dialler = Dialler(Names(["93.184.216.34"]).resolve, never)
    limits = EgressLimits(connect_timeout_s=0.05)
    rules = proxy("http://models.example.com", limits=limits, dialler=dialler)
    async with rules.serving() as port, client(port) as http:
        assert (await http.get("http://models.example.com/echo")).status_code == 502


# Limits


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(b"GET http://a/ HTTP/1.1\r\nx: " + b"y" * 20_000, b"431", id="a large head"),
        pytest.param(b"\x16\x03\x01 no http\r\n\r\n", b"400", id="no HTTP"),
    ],
)
async def test_what_is_no_request_is_refused(request_bytes: bytes, status: bytes) -> None:
    async with proxy().serving() as port, raw(port) as (reader, writer):
        writer.write(request_bytes)
        assert (await reader.read()).startswith(b"HTTP/1.1 " + status)


async def test_an_origin_form_request_is_a_400() -> None:
    async with proxy().serving() as port, raw(port) as (reader, writer):
        head = b"GET /v1 HTTP/1.1\r\nhost: x\r\nproxy-authorization: Basic %b\r\n\r\n"
        writer.write(head % credentials())
        assert (await reader.read()).startswith(b"HTTP/1.1 400")


async def test_a_head_that_does_not_come_is_given_up() -> None:
    limits = EgressLimits(head_timeout_s=0.05)
    async with proxy(limits=limits).serving() as port, raw(port) as (reader, writer):
        writer.write(b"GET http://a/ HT")
        assert await reader.read() == b""


async def test_a_cell_has_its_own_number_of_tunnels(model: ModelServer) -> None:
    name = f"localhost:{model.port}"
    limits = EgressLimits(tunnels_per_cell=1)
    async with (
        proxy(name, limits=limits).serving() as port,
        raw(port) as first,
        raw(port) as second,
        raw(port) as third,
    ):
        assert await connect(first, name) == b"HTTP/1.1 200 Connected"
        assert (await connect(second, name)).startswith(b"HTTP/1.1 429")
        assert await connect(third, name, GLOBEX) == b"HTTP/1.1 200 Connected"


async def test_a_tunnel_that_is_closed_makes_room(model: ModelServer) -> None:
    name = f"localhost:{model.port}"
    limits = EgressLimits(tunnels_per_cell=1)
    async with proxy(name, limits=limits).serving() as port:
        async with raw(port) as first:
            assert await connect(first, name) == b"HTTP/1.1 200 Connected"
            first[1].write_eof()
            assert await first[0].read() == b""
        async with asyncio.timeout(DEADLINE_S):
            while not await opens(port, name):  # noqa: ASYNC110 - no event is told
                await asyncio.sleep(0.01)


async def opens(port: int, name: str) -> bool:
    async with raw(port) as streams:
        return await connect(streams, name) == b"HTTP/1.1 200 Connected"


async def test_a_silent_tunnel_is_cut(model: ModelServer) -> None:
    name = f"localhost:{model.port}"
    limits = EgressLimits(idle_timeout_s=0.1)
    async with proxy(name, limits=limits).serving() as port, raw(port) as streams:
        assert await connect(streams, name) == b"HTTP/1.1 200 Connected"
        assert await streams[0].read() == b""


async def test_too_many_connections_are_closed_at_once() -> None:
    limits = EgressLimits(connections=1)
    async with proxy(limits=limits).serving() as port, raw(port), raw(port) as (reader, _):
        assert await reader.read() == b""


async def test_leaving_cuts_what_is_open(model: ModelServer) -> None:
    name = f"localhost:{model.port}"
    async with proxy(name).serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await connect((reader, writer), name) == b"HTTP/1.1 200 Connected"
    async with asyncio.timeout(DEADLINE_S):
        assert await reader.read() == b""
    writer.close()


# What the log says


async def test_the_log_says_who_reached_which_host_and_no_more(
    model: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "roost.cells.egress")
    async with proxy(local(model)).serving() as port, client(port) as http:
        await http.post(local(model, "/echo?token=hush"), content=b"12345")
        await http.get("http://elsewhere.test/secret-path?token=hush")
    told = caplog.text
    assert f"t_acme localhost:{model.port} sent=5 received=" in told
    assert "t_acme refused 403: Not in egress_allow: http://elsewhere.test" in told
    assert not any(word in told for word in ("hush", "echo", "secret", "Basic"))
