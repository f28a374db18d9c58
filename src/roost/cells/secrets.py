"""The secrets of each cell, derived from one master key.

Rule 1: what is derived depends on the master key, the tenant's id and the purpose alone, so nothing
but the master key need be kept or backed up. Rule 2: no two purposes or tenants share a secret.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from roost.cells.private_file import keep_private, read_private
from roost.errors import ConfigError
from roost.model import TenantId

MASTER_KEY_BYTES = 32
_SALT = b"roost cell secrets 1"
_PREFIX = "r1"
"""Phoenix wants a lower-case letter and a digit in a secret; hex digits alone may lack one."""


@dataclass(frozen=True, slots=True)
class CellSecrets:
    """66 characters each: `r1` and 64 hex digits."""

    signing: str = field(repr=False)
    """PHOENIX_SECRET."""
    admin: str = field(repr=False)
    """PHOENIX_ADMIN_SECRET."""
    admin_password: str = field(repr=False)
    """Of Phoenix's built-in user; nobody signs in with it."""
    oidc_client: str = field(repr=False)
    egress: str = field(repr=False)
    """The password at Roost's forward proxy."""


def cell_secrets(master_key: bytes, tenant_id: TenantId) -> CellSecrets:
    """The secrets of that tenant's cell, the same at every call."""
    return CellSecrets(
        signing=_derive(master_key, "phoenix secret", tenant_id),
        admin=_derive(master_key, "phoenix admin secret", tenant_id),
        admin_password=_derive(master_key, "phoenix admin password", tenant_id),
        oidc_client=_derive(master_key, "oidc client secret", tenant_id),
        egress=_derive(master_key, "egress password", tenant_id),
    )


def people_key(master_key: bytes) -> bytes:
    """What people's subjects in cells are made with (`people.cell_user`)."""
    return HKDF(SHA256(), 32, _SALT, b"people").derive(master_key)


def load_or_create_master_key(path: Path) -> bytes:
    """The installation's 32 bytes, made at the first call.

    ConfigError where others can open the file, or where it holds something else.
    """
    key = read_private(path)
    if key is None:
        key = keep_private(path, secrets.token_bytes(MASTER_KEY_BYTES))
    if len(key) != MASTER_KEY_BYTES:
        raise ConfigError(
            [
                f"{path} does not hold a master key of {MASTER_KEY_BYTES} bytes; put the backup "
                "back: with another key the cells' users and sessions are lost"
            ]
        )
    return key


def _derive(master_key: bytes, purpose: str, tenant_id: TenantId) -> str:
    info = purpose.encode() + b"\0" + tenant_id.encode()
    return _PREFIX + HKDF(SHA256(), 32, _SALT, info).derive(master_key).hex()
