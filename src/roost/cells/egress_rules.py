"""Which hosts a cell may reach: pure, decided from the operator's `egress_allow` alone.

Rule 1: what no entry names is refused. Rule 2: a name is judged before it is resolved and its
address after, and the address that was judged is the one that is connected. Rule 3: an entry opens
an inner address (loopback, private, carrier-grade) only by naming that host exactly, a link-local
or metadata address only by naming the address itself.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from roost.errors import ConfigError
from roost.model import TenantId

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Scheme = Literal["", "http", "https"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ENTRY = re.compile(r"(?:(?P<scheme>https?)://)?(?P<wildcard>\*\.)?(?P<authority>[^/]+)/?")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:@]+)(?::(?P<port>[0-9]{1,5}))?")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")
_PROTOCOL_ASSIGNMENTS = ipaddress.IPv4Network("192.0.0.0/24")
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"],
    )
)
"""Where clouds hand out credentials: AWS, Google and Azure, AWS over IPv6, Alibaba, Azure's agent.
The last is publicly routable by its number."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a cell asks for. A tunnel (CONNECT) is opaque; otherwise the request is plain HTTP."""

    host: str
    port: int
    tunnel: bool

    @property
    def entry(self) -> str:
        """The entry that would allow it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.tunnel:
            return host if self.port == 443 else f"https://{host}:{self.port}"
        return f"http://{host}" if self.port == 80 else f"http://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Permit:
    """The name may be reached; `exact` says that an entry names this very host."""

    target: Target
    exact: bool

    def reaches(self, address: str) -> bool:
        """Whether that address of the host may be connected.

        >>> Permit(Target("model.example.com", 443, tunnel=True), exact=False).reaches("10.0.0.1")
        False
        """
        ip = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
        if self.exact and str(ip) == self.target.host:
            return True
        match _distance(ip):
            case "public":
                return True
            case "inner":
                return self.exact
            case "never":
                return False


@dataclass(frozen=True, slots=True)
class Refused:
    """`message` is safe to show and says what the operator could list."""

    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry. Without a scheme it is for either, on its port (443 where none is written)."""

    host: str
    port: int
    scheme: Scheme = ""
    wildcard: bool = False

    def names(self, target: Target) -> bool:
        if self.port != target.port or self.scheme == ("http" if target.tunnel else "https"):
            return False
        if not self.wildcard:
            return self.host == target.host
        return target.host.endswith(f".{self.host}") and _as_address(target.host) is None


@dataclass(frozen=True, slots=True)
class EgressRules:
    rules: tuple[Rule, ...] = ()

    def judge(self, target: Target) -> Permit | Refused:
        """
        >>> rules = parse_rules(["*.openai.azure.com"])
        >>> rules.judge(Target("acme.openai.azure.com", 443, tunnel=True)).exact
        False
        >>> print(rules.judge(Target("example.com", 443, tunnel=True)).message)
        Not in egress_allow: example.com (the operator may add it)
        """
        named = [rule for rule in self.rules if rule.names(target)]
        if not named:
            return Refused(f"Not in egress_allow: {target.entry} (the operator may add it)")
        return Permit(target, exact=any(not rule.wildcard for rule in named))


def parse_rules(entries: Iterable[str], always: Sequence[str] = ()) -> EgressRules:
    """The rules of `egress_allow`; `always` are Roost's own listeners, in the same spelling.

    Raises ConfigError with every entry that is not understood.
    """
    rules: list[Rule] = []
    findings: list[str] = []
    for entry in [*entries, *always]:
        try:
            rules.append(_rule(entry))
        except ValueError as fault:
            findings.append(f"egress_allow: {entry!r} {fault}")
    if findings:
        raise ConfigError(findings)
    return EgressRules(tuple(rules))


def connect_target(authority: str) -> Target:
    """What `CONNECT host:port` asks for; raises ValueError with what is wrong.

    >>> connect_target("API.OpenAI.com.:443").host
    'api.openai.com'
    """
    host, port = _split(authority)
    if port is None:
        raise ValueError("has no port")
    return Target(host, port, tunnel=True)


def plain_target(url: str) -> tuple[Target, str]:
    """What `GET http://host/path?query` asks for, and the path with its query as it goes on.

    >>> plain_target("http://127.0.0.1:8000?x=1")
    (Target(host='127.0.0.1', port=8000, tunnel=False), '/?x=1')
    """
    if url[:7].lower() != "http://":
        raise ValueError("is not an absolute http:// address; use CONNECT for https")
    authority = re.split(r"[/?#\\]", url[7:], maxsplit=1)[0]
    rest = url[7 + len(authority) :]
    if "#" in rest or rest.startswith("\\"):
        raise ValueError("holds a fragment or a backslash")
    host, port = _split(authority)
    path = rest if rest.startswith("/") else f"/{rest}"
    return Target(host, 80 if port is None else port, tunnel=False), path


def proxy_url(port: int, tenant: TenantId, password: str) -> str:
    """
    >>> proxy_url(3128, TenantId("t_1"), "a/b")
    'http://t_1:a%2Fb@127.0.0.1:3128'
    """
    return f"http://{quote(tenant, safe='')}:{quote(password, safe='')}@127.0.0.1:{port}"


def egress_environment(url: str) -> dict[str, str]:
    """The variables that send all of a cell's HTTP through the proxy at `url`.

    Both cases, since libraries differ in which they read. NO_PROXY is left out, never inherited:
    loopback goes through the proxy too.
    """
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {spelling: url for name in names for spelling in (name, name.lower())}


def _rule(entry: str) -> Rule:
    parts = _ENTRY.fullmatch(entry.strip())
    if parts is None:
        raise ValueError("is no [scheme://]host[:port]; leave paths out")
    host, port = _split(parts["authority"])
    scheme: Scheme = "http" if parts["scheme"] == "http" else "https" if parts["scheme"] else ""
    if parts["wildcard"] and (_as_address(host) is not None or "." not in host):
        raise ValueError("is too wide; a wildcard needs a name of two labels, as *.example.com")
    if (ip := _as_address(host)) is not None and (ip.is_unspecified or ip.is_multicast):
        raise ValueError("is not an address of one host")
    default = _DEFAULT_PORTS[scheme or "https"]
    return Rule(host, default if port is None else port, scheme, wildcard=bool(parts["wildcard"]))


def _split(authority: str) -> tuple[str, int | None]:
    parts = _AUTHORITY.fullmatch(authority)
    if parts is None:
        raise ValueError("is no host[:port]")
    port = None if parts["port"] is None else int(parts["port"])
    if port is not None and not 0 < port < 65_536:
        raise ValueError("has no port between 1 and 65535")
    return _canonical(parts["host"]), port


def _canonical(host: str) -> str:
    """One spelling a host. An address in octal, hex, or short of four parts is refused: resolvers
    disagree on what it is."""
    name = host.strip("[]").lower().removesuffix(".")
    if (ip := _as_address(name)) is not None and (":" in name) == host.startswith("["):
        return str(_unwrapped(ip))
    if not _NAME.fullmatch(name):
        raise ValueError("is no host name (write other scripts as xn--)")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise ValueError("is no address in the usual spelling, such as 127.0.0.1")
    return name


def _as_address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _unwrapped(ip: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, or itself."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    tunnelled = ip.teredo[1] if ip.teredo else None
    return ip.ipv4_mapped or ip.sixtofour or tunnelled or ip


def _distance(ip: Address) -> Literal["public", "inner", "never"]:
    if ip in _METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return "never"
    if isinstance(ip, ipaddress.IPv6Address):
        return "public" if ip in _GLOBAL_IPV6 and ip.is_global else "inner"
    if ip.is_reserved or ip.packed[0] == 0:
        return "never"
    return "public" if ip.is_global and ip not in _PROTOCOL_ASSIGNMENTS else "inner"
