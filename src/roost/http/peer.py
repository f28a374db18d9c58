"""Who is at the other end of the line, for logs and rates. Never a proof of who somebody is.

Rule: a forwarded header counts only where the peer that sent it is listed with that header's name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from roost.http.call import Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Forwarder:
    """A proxy in `network` that writes its client's address into `header` (lower-case)."""

    network: Network
    header: str = "x-forwarded-for"


def peer_of(scope: Scope, forwarders: Sequence[Forwarder] = ()) -> str:
    """The nearest address that is no listed proxy; `unknown` where the server tells none.

    A list is read from its end: what stands left of the first stranger was written by strangers.
    """
    client = scope.get("client")
    if not client:
        return "unknown"
    peer = str(client[0])
    if not forwarders:
        return peer
    rule = _rule(peer, forwarders)
    return peer if rule is None else _last_stranger(scope, rule, forwarders) or peer


def _rule(peer: str, forwarders: Sequence[Forwarder]) -> Forwarder | None:
    address = _address(peer)
    return next((row for row in forwarders if address is not None and address in row.network), None)


def _last_stranger(scope: Scope, rule: Forwarder, forwarders: Sequence[Forwarder]) -> str | None:
    name = rule.header.encode()
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    for part in reversed(",".join(lines).split(",")):
        text = part.strip()
        if _address(text) is None:
            return None
        if _rule(text, forwarders) is None:
            return text
    return None


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
