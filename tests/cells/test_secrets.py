import re
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.cells.secrets import MASTER_KEY_BYTES, cell_secrets, load_or_create_master_key
from roost.errors import ConfigError
from roost.model import TenantId

KEY = bytes(range(32))
ACME = TenantId("t-acme-1")


def test_secrets_are_the_same_at_every_start() -> None:
    assert cell_secrets(KEY, ACME) == cell_secrets(KEY, ACME)


def test_what_is_derived_never_changes_between_releases() -> None:
    assert cell_secrets(KEY, ACME).signing == (
        "r1ca0a556178058f29bc84fffad121e0642720de1b7ecb6fc885381a7cff6fd7d6"
    )


@given(
    keys=st.sets(st.binary(min_size=32, max_size=32), min_size=1, max_size=3),
    tenants=st.sets(st.text(min_size=1, max_size=20), min_size=1, max_size=3),
)
def test_no_two_keys_tenants_or_purposes_share_a_secret(
    keys: set[bytes], tenants: set[str]
) -> None:
    derived = [
        secret
        for key in keys
        for tenant in tenants
        for secret in asdict(cell_secrets(key, TenantId(tenant))).values()
    ]
    assert len(set(derived)) == 5 * len(keys) * len(tenants)


@given(st.text(min_size=1, max_size=20))
def test_phoenix_accepts_them(tenant: str) -> None:
    for secret in asdict(cell_secrets(KEY, TenantId(tenant))).values():
        assert re.fullmatch(r"(?=.*[0-9])(?=.*[a-z])[0-9a-z]{66}", secret)


def test_secrets_are_not_in_their_repr() -> None:
    assert repr(cell_secrets(KEY, ACME)) == "CellSecrets()"


def test_the_master_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    key = load_or_create_master_key(path)
    assert len(key) == MASTER_KEY_BYTES
    assert load_or_create_master_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_master_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    load_or_create_master_key(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_or_create_master_key(path)


@pytest.mark.parametrize("content", [b"", b"short", bytes(33)], ids=["empty", "short", "long"])
def test_a_damaged_master_key_is_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "master.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="backup"):
        load_or_create_master_key(path)
    assert path.read_bytes() == content
