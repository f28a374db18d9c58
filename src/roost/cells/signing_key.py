"""The key that signs id tokens.

Rule: it outlives restarts, and its id is its thumbprint: Phoenix fetches the key set again only
for an id that it has not seen.
"""

from pathlib import Path

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from roost.cells.private_file import keep_private, read_private
from roost.errors import ConfigError

KEY_BITS = 2048


def load_signing_key(path: Path) -> RSAKey:
    """The RSA key in `path` (PEM, mode 0600), made at the first start.

    ConfigError where the file is unsafe or holds no RSA key of at least 2048 bits.
    """
    pem = read_private(path)
    if pem is None:
        pem = keep_private(path, RSAKey.generate_key(KEY_BITS).as_pem(private=True))
    return _parse(path, pem)


def public_key_set(key: RSAKey) -> dict[str, object]:
    """The JWK set (RFC 7517) that cells verify with."""
    return {"keys": [key.as_dict(private=False, kid=key.kid, alg="RS256", use="sig")]}


def _parse(path: Path, pem: bytes) -> RSAKey:
    unfit = ConfigError(
        [
            f"{path} holds no RSA key of {KEY_BITS} bits; move it away, and a new "
            "one is made (people are signed in to cells again)"
        ]
    )
    try:
        key = RSAKey.import_key(pem)
    except (ValueError, JoseError):
        raise unfit from None
    if not key.is_private or key.raw_value.key_size < KEY_BITS:
        raise unfit
    return RSAKey.import_key(pem, {"kid": key.thumbprint()})
