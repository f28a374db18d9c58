"""Resume tokens: how far somebody has followed a topic, told to them so that only Roost reads it.

Rule: a token is sealed with a key of its topic, so it opens in no other one, says nothing of how
much others do, and never decides what its holder may see.
"""

import hmac
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from roost.live.changes import Place, Topic
from roost.model import TenantId

TOKEN_CHARACTERS_MAX = 160
_NONCE_BYTES = 12
_POSITION_BYTES = 8


def tenant_key(master_key: bytes, tenant_id: TenantId) -> bytes:
    """The 32 bytes that a tenant's gateways share; the same after any restart."""
    return hmac.digest(master_key, b"roost live tokens 1\0" + tenant_id.encode(), "sha256")


def topic_key(key_of_tenant: bytes, topic: Topic) -> bytes:
    """As JSON, in which no two topics are spelt alike."""
    name = msgspec.json.encode([topic.tenant_id, topic.project, topic.user])
    return hmac.digest(key_of_tenant, name, "sha256")


class Seal:
    """Makes and opens the tokens of one topic. `chance` gives so many random bytes."""

    def __init__(self, key: bytes, chance: Callable[[int], bytes] = os.urandom) -> None:
        self._cipher = AESGCM(key)
        self._chance = chance

    def seal(self, place: Place) -> str:
        """About 70 characters of the URL-safe alphabet; two of the same place look unlike."""
        nonce = self._chance(_NONCE_BYTES)
        plain = place.position.to_bytes(_POSITION_BYTES, "big") + place.epoch.encode()
        sealed = self._cipher.encrypt(nonce, plain, None)
        return urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode("ascii")

    def open(self, token: str) -> Place | None:
        """None for what was not sealed here."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            return None
        try:
            raw = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
            plain = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], None)
        except (Error, ValueError, InvalidTag):
            return None
        position = int.from_bytes(plain[:_POSITION_BYTES], "big")
        return Place(plain[_POSITION_BYTES:].decode(), position)
