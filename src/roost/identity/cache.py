"""Who a credential was, remembered for at most a minute. One event loop, no locks.

Rule: a credential is never kept, only its HMAC under a key of this process; what a revocation
has dropped is not put back by a look-up that began before it.
"""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from roost.model import Identity

MAX_TTL_S = 60.0
_Key = tuple[str, bytes]


@dataclass(slots=True)
class IdentityCache:
    """`ttl_s` is cut to MAX_TTL_S; at `max_entries` the oldest go first."""

    clock: Callable[[], float]
    ttl_s: float = MAX_TTL_S
    max_entries: int = 10_000
    generation: int = 0
    """Rises with each revocation."""
    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _entries: dict[_Key, tuple[Identity, float]] = field(default_factory=dict, repr=False)
    _by_proof: dict[str, set[_Key]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, verifier: str, credential: str) -> Identity | None:
        """Who that credential proved to be, unless that is too long ago."""
        key = self._key(verifier, credential)
        entry = self._entries.get(key)
        if entry is None:
            return None
        identity, until = entry
        if self.clock() < until:
            return identity
        self._forget(key)
        return None

    def put(self, verifier: str, credential: str, identity: Identity, generation: int) -> None:
        """Remember it. `generation` is this cache's, read before the credential was verified."""
        until = min(identity.valid_until, self.clock() + min(self.ttl_s, MAX_TTL_S))
        if generation != self.generation or until <= self.clock():
            return
        key = self._key(verifier, credential)
        self._forget(key)
        for oldest in list(islice(self._entries, max(0, len(self) + 1 - self.max_entries))):
            self._forget(oldest)
        self._entries[key] = (identity, until)
        self._by_proof.setdefault(identity.proof_id, set()).add(key)

    def drop(self, proof_id: str) -> None:
        """That proof was revoked."""
        self.generation += 1
        for key in self._by_proof.pop(proof_id, ()):
            del self._entries[key]

    def drop_all(self) -> None:
        self.generation += 1
        self._entries.clear()
        self._by_proof.clear()

    def _forget(self, key: _Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        proof_id = entry[0].proof_id
        same_proof = self._by_proof[proof_id]
        same_proof.discard(key)
        if not same_proof:
            del self._by_proof[proof_id]

    def _key(self, verifier: str, credential: str) -> _Key:
        return verifier, hmac.digest(self._secret, credential.encode("utf-8", "replace"), "sha256")
