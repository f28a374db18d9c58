import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.cells.egress_rules import (
    Permit,
    Refused,
    Target,
    connect_target,
    egress_environment,
    parse_rules,
    plain_target,
    proxy_url,
)
from roost.errors import ConfigError
from roost.model import TenantId


def tunnel(authority: str) -> Target:
    return connect_target(authority)


def plain(url: str) -> Target:
    return plain_target(url)[0]


@pytest.mark.parametrize(
    ("entry", "target"),
    [
        ("api.openai.com", tunnel("api.openai.com:443")),
        ("api.openai.com", tunnel("API.OpenAI.COM.:443")),
        ("https://api.openai.com/", tunnel("api.openai.com:443")),
        ("*.openai.azure.com", tunnel("acme.openai.azure.com:443")),
        ("*.openai.azure.com", tunnel("a.b.openai.azure.com:443")),
        ("http://127.0.0.1:8000", plain("http://127.0.0.1:8000/v1")),
        ("http://models", plain("http://models/v1")),
        ("https://10.1.2.3:8443", tunnel("10.1.2.3:8443")),
        ("models:9000", tunnel("models:9000")),
        ("models:9000", plain("http://models:9000/")),
        ("https://[fd00::1]:8443", tunnel("[FD00:0::1]:8443")),
        ("http://127.0.0.1:8000", plain("http://[::ffff:127.0.0.1]:8000/")),
    ],
)
def test_what_is_listed_is_permitted(entry: str, target: Target) -> None:
    assert isinstance(parse_rules([entry]).judge(target), Permit)


@pytest.mark.parametrize(
    ("entry", "target"),
    [
        pytest.param("api.openai.com", tunnel("api.openai.com:80"), id="another port"),
        pytest.param("api.openai.com", plain("http://api.openai.com/"), id="without TLS"),
        pytest.param("https://models:9000", plain("http://models:9000/"), id="http for https"),
        pytest.param("http://models:9000", tunnel("models:9000"), id="a tunnel for http"),
        pytest.param("api.openai.com", tunnel("xapi.openai.com:443"), id="a longer name"),
        pytest.param("api.openai.com", tunnel("api.openai.com.evil.test:443"), id="a suffix"),
        pytest.param("*.azure.com", tunnel("azure.com:443"), id="the apex of a wildcard"),
        pytest.param("*.azure.com", tunnel("evilazure.com:443"), id="no label boundary"),
        pytest.param("*.0.0.1.test", tunnel("127.0.0.1:443"), id="an address"),
    ],
)
def test_what_is_not_listed_is_refused(entry: str, target: Target) -> None:
    assert isinstance(parse_rules([entry]).judge(target), Refused)


def test_nothing_listed_refuses_everything_and_names_the_setting() -> None:
    verdict = parse_rules([]).judge(plain("http://127.0.0.1:8000/v1"))
    assert isinstance(verdict, Refused)
    assert "egress_allow" in verdict.message
    assert "http://127.0.0.1:8000" in verdict.message


@pytest.mark.parametrize(
    "target",
    [tunnel("models:443"), tunnel("models:8443"), plain("http://models/"), plain("http://m:81/")],
    ids=str,
)
def test_the_entry_that_a_refusal_names_would_allow_it(target: Target) -> None:
    assert isinstance(parse_rules([target.entry]).judge(target), Permit)


def test_roosts_own_listener_is_always_allowed() -> None:
    rules = parse_rules([], always=["http://localhost:4123"])
    verdict = rules.judge(plain("http://localhost:4123/.well-known/openid-configuration"))
    assert isinstance(verdict, Permit)
    assert verdict.reaches("127.0.0.1")


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.0x1",
        "1.2.3.4.5",
        "[fe80::1%25eth0]",
        "[::1",
        "::1",
        "a b",
        "a\tb",
        "user@models",
        "mödels",
        "-models",
        "models..test",
        "",
        "*",
        "models/x",
        "x" * 64,
    ],
)
def test_a_host_in_no_usual_spelling_is_refused(host: str) -> None:
    with pytest.raises(ValueError):
        connect_target(f"{host}:443")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x", "", "443 ", "٤٤٣"])
def test_a_port_is_a_number_of_a_port(port: str) -> None:
    with pytest.raises(ValueError):
        connect_target(f"models:{port}")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://models", "/"),
        ("http://models/v1/chat?x=1&y=%2F", "/v1/chat?x=1&y=%2F"),
        ("HTTP://models:8000?x", "/?x"),
        ("http://models//evil.test/", "//evil.test/"),
    ],
)
def test_the_path_goes_on_as_it_came(url: str, path: str) -> None:
    target, onward = plain_target(url)
    assert (target.host, onward) == ("models", path)


@pytest.mark.parametrize(
    "url",
    [
        "/v1/models",
        "https://models/",
        "ftp://models/",
        "http:models",
        "http://",
        "http:///v1",
        "http://user:pass@models/",
        "http://models\\@evil.test/",
        "http://models/#fragment",
        "http://models:80:80/",
        "*",
    ],
)
def test_what_is_no_plain_absolute_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        plain_target(url)


INNER = [
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.0.8",
    "198.18.0.1",
    "::1",
    "fd00::1",
    "fec0::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:0a00:0001::",
]
NEVER = [
    "169.254.169.254",
    "169.254.1.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "fe80::1",
    "fe80::1%eth0",
    "0.0.0.0",  # noqa: S104 - refused
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"]
BY_NAME = Permit(tunnel("models.example.com:443"), exact=True)
BY_WILDCARD = Permit(tunnel("models.example.com:443"), exact=False)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_reached_by_any_entry(address: str) -> None:
    assert BY_NAME.reaches(address)
    assert BY_WILDCARD.reaches(address)


@pytest.mark.parametrize("address", INNER)
def test_an_inner_address_is_reached_only_by_an_exact_entry(address: str) -> None:
    assert BY_NAME.reaches(address)
    assert not BY_WILDCARD.reaches(address)


@pytest.mark.parametrize("address", NEVER)
def test_a_link_local_or_metadata_address_is_reached_by_no_name(address: str) -> None:
    assert not BY_NAME.reaches(address)
    assert not BY_WILDCARD.reaches(address)


def test_a_link_local_address_is_reached_when_it_is_listed_itself() -> None:
    verdict = parse_rules(["http://169.254.10.1:8000"]).judge(plain("http://169.254.10.1:8000/"))
    assert isinstance(verdict, Permit)
    assert verdict.reaches("169.254.10.1")
    assert not verdict.reaches("169.254.169.254")


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "*.com",
        "*.1.2.3.4",
        "a*.example.com",
        "api.openai.com/v1",
        "ftp://models",
        "user@models",
        "models:0",
        "127.1",
        "0.0.0.0:80",
        "[::]:80",
        "224.0.0.1",
        "http://models?x",
    ],
)
def test_an_entry_that_is_not_understood_is_a_finding(entry: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules([entry])
    assert repr(entry) in caught.value.findings[0]


def test_all_findings_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_rules(["*", "api.openai.com", "127.1"])
    assert len(caught.value.findings) == 2


@given(st.text(max_size=30))
def test_any_text_is_a_target_or_a_value_error(text: str) -> None:
    for read in (connect_target, plain_target):
        try:
            read(text)
        except ValueError as fault:
            assert str(fault)  # noqa: PT017 - either outcome is right


def test_the_environment_names_the_proxy_in_both_cases_and_no_exception() -> None:
    url = proxy_url(3128, TenantId("t_acme"), "p@ss:word/")
    environment = egress_environment(url)
    assert set(environment) == {
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    }
    assert set(environment.values()) == {"http://t_acme:p%40ss%3Aword%2F@127.0.0.1:3128"}
