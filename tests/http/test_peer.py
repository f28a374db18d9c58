"""Whose address counts."""

from ipaddress import ip_network

import pytest
from tests.http.scopes import a_scope

from roost.http.peer import Forwarder, peer_of

PROXIES = (
    Forwarder(ip_network("10.0.0.0/8")),
    Forwarder(ip_network("127.0.0.1/32"), "x-real-ip"),
)


@pytest.mark.parametrize(
    ("client", "headers", "expected"),
    [
        ("192.0.2.7", {"x-forwarded-for": "203.0.113.9"}, "192.0.2.7"),
        ("10.0.0.1", {"x-forwarded-for": "203.0.113.9"}, "203.0.113.9"),
        ("10.0.0.1", {"x-forwarded-for": "198.51.100.1, 203.0.113.9, 10.0.0.2"}, "203.0.113.9"),
        ("10.0.0.1", {"x-forwarded-for": "203.0.113.9, junk"}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "10.0.0.2"}, "10.0.0.1"),
        ("10.0.0.1", {"x-real-ip": "203.0.113.9"}, "10.0.0.1"),
        ("10.0.0.1", {"x_forwarded_for": "203.0.113.9"}, "10.0.0.1"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("127.0.0.1", {"x-real-ip": "2001:db8::1"}, "2001:db8::1"),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.9"}, "127.0.0.1"),
    ],
)
def test_a_forwarded_address_counts_by_a_listed_peer_and_header_alone(
    client: str, headers: dict[str, str], expected: str
) -> None:
    assert peer_of(a_scope(client=(client, 1), headers=headers), PROXIES) == expected


def test_nobody_is_trusted_who_is_not_listed() -> None:
    assert peer_of(a_scope(headers={"x-forwarded-for": "203.0.113.9"})) == "192.0.2.7"


def test_a_server_may_know_no_peer() -> None:
    assert peer_of(a_scope(client=None)) == "unknown"
