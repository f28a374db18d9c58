"""The internal listener's certificate, for cells that reach Roost over a network.

Rule: cells trust Roost's own small authority and nothing has to be told to them again when names
change or a certificate is renewed; only the authority is handed out.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from roost.cells.private_file import keep_private, read_private, replace_private
from roost.errors import ConfigError

AUTHORITY_YEARS = 20
SERVER_YEARS = 5
RENEW_BEFORE = timedelta(days=365)
"""Renewal happens when the keeper starts, so there has to be a start within a year."""
SYSTEM_ROOTS = (
    Path("/etc/ssl/certs/ca-certificates.crt"),
    Path("/etc/pki/tls/certs/ca-bundle.crt"),
    Path("/etc/ssl/cert.pem"),
)
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Certificates:
    """`chain` holds certificate and key (PEM) as `ssl.SSLContext.load_cert_chain` takes them."""

    authority_pem: str
    chain: Path


def ensure_certificates(
    directory: Path, names: Sequence[str], clock: Callable[[], float]
) -> Certificates:
    """The listener's certificate for `names` (DNS names and addresses), made or renewed if needed.

    `directory` exists. ConfigError where a file there is unsafe or cannot be read.
    """
    now = datetime.fromtimestamp(clock(), UTC)
    authority = directory / "authority.pem"
    chain = directory / "listener.pem"
    pem = read_private(authority) or keep_private(authority, _new_authority(now))
    issuer, issuer_key = _parse(authority, pem)
    current = read_private(chain)
    if current is None or not _fits(_parse(chain, current)[0], issuer, names, now):
        replace_private(chain, _new_server(issuer, issuer_key, names, now))
    return Certificates(issuer.public_bytes(serialization.Encoding.PEM).decode(), chain)


def trust_bundle(authority_pem: str, roots: Sequence[Path] = SYSTEM_ROOTS) -> str:
    """What SSL_CERT_FILE of a cell has to hold: Roost's authority *and* the public roots, since
    the variable replaces the default roots for all that Phoenix calls, model endpoints too."""
    public = next((path.read_text() for path in roots if path.is_file()), "")
    return f"{authority_pem.strip()}\n{public}"


def publish(path: Path, text: str) -> None:
    """Write what anybody may read (an authority, never a key), whole or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(text)
    draft.chmod(0o644)
    draft.replace(path)


def _fits(
    certificate: x509.Certificate, issuer: x509.Certificate, names: Sequence[str], now: datetime
) -> bool:
    stated = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        certificate.issuer == issuer.subject
        and _authority_key(certificate) == _key_id(issuer).digest
        and set(stated) == set(_alternative_names(names))
        and certificate.not_valid_after_utc - now > RENEW_BEFORE
    )


def _new_authority(now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Roost internal authority")])
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pem(certificate, key)


def _new_server(
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now: datetime,
) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Roost internal listener")])
    certificate = (
        _builder(subject, issuer.subject, key.public_key(), now, SERVER_YEARS)
        .add_extension(x509.SubjectAlternativeName(_alternative_names(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(_key_id(issuer)),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return _pem(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, years: int
) -> x509.CertificateBuilder:
    """Valid since an hour ago: clocks of two machines differ."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + years * _YEAR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    return [_alternative_name(name) for name in dict.fromkeys(names)]


def _alternative_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_id(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value


def _authority_key(certificate: x509.Certificate) -> bytes | None:
    found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    return found.value.key_identifier


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + private


def _parse(path: Path, pem: bytes) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, password=None)
    except ValueError:
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(
            [
                f"{path} holds no certificate and key; move it away, and a new one is "
                "made (attached cells then need the new authority)"
            ]
        )
    return certificate, key
