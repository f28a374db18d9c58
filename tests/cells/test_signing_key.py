from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roost.cells.signing_key import load_signing_key, public_key_set
from roost.errors import ConfigError


def test_the_key_outlives_a_restart_and_is_named_by_its_thumbprint(tmp_path: Path) -> None:
    first, again = (load_signing_key(tmp_path / "key.pem") for _ in range(2))
    assert first.kid == again.kid == first.thumbprint()


def test_only_the_public_half_is_shown(tmp_path: Path) -> None:
    key = load_signing_key(tmp_path / "key.pem")
    assert key.raw_value.key_size >= 2048
    keys = public_key_set(key)["keys"]
    assert isinstance(keys, list)
    assert sorted(keys[0]) == ["alg", "e", "kid", "kty", "n", "use"]


CURVE_KEY = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)


@pytest.mark.parametrize(
    "content",
    [b"", b"no key", CURVE_KEY],
    ids=["empty", "no key", "key of another kind"],
)
def test_an_unfit_key_stops_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="no RSA key of 2048 bits"):
        load_signing_key(path)
