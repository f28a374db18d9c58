import ssl
import time
from pathlib import Path

import pytest

from roost.cells.certificates import ensure_certificates, trust_bundle
from roost.errors import ConfigError

YEAR_S = 365 * 86400


def test_a_strict_client_trusts_the_listener_by_each_of_its_names(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path, ["roost", "127.0.0.1"], time.time)
    trust = ssl.create_default_context(cadata=made.authority_pem)
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("roost", "127.0.0.1"):
        shake_hands(made.chain, trust, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(made.chain, trust, "elsewhere")


def shake_hands(chain: Path, trust: ssl.SSLContext, name: str) -> None:
    """A TLS handshake in memory."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(chain)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    client = trust.wrap_bio(to_client, to_server, server_hostname=name)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_authority_and_certificate_stay_at_the_next_start(tmp_path: Path) -> None:
    first = ensure_certificates(tmp_path, ["roost"], time.time)
    chain = first.chain.read_bytes()
    assert ensure_certificates(tmp_path, ["roost"], time.time) == first
    assert first.chain.read_bytes() == chain


@pytest.mark.parametrize(
    ("names", "years"),
    [(["roost", "10.0.0.7"], 0), (["roost"], 4.5)],
    ids=["another name", "close to expiry"],
)
def test_a_new_certificate_keeps_the_authority(
    tmp_path: Path, names: list[str], years: float
) -> None:
    first = ensure_certificates(tmp_path, ["roost"], time.time)
    chain = first.chain.read_bytes()
    later = ensure_certificates(tmp_path, names, lambda: time.time() + years * YEAR_S)
    assert later.authority_pem == first.authority_pem
    assert later.chain.read_bytes() != chain


def test_an_unreadable_authority_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "authority.pem").write_bytes(b"no certificate")
    (tmp_path / "authority.pem").chmod(0o600)
    with pytest.raises(ConfigError, match="no certificate and key"):
        ensure_certificates(tmp_path, ["roost"], time.time)


def test_the_bundle_keeps_the_public_roots(tmp_path: Path) -> None:
    roots = tmp_path / "roots.crt"
    roots.write_text("PUBLIC ROOTS\n")
    assert trust_bundle("OURS\n", [tmp_path / "absent", roots]) == "OURS\nPUBLIC ROOTS\n"
    assert trust_bundle("OURS", []) == "OURS\n"
