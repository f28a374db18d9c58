"""Who may send spans over gRPC: a key, proved as over HTTP, remembered for a minute.

Rule: a key that is revoked is forgotten at once; one that only reads is told which scope it lacks.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from roost.errors import NotAllowed, NotSignedIn
from roost.http import messages as m
from roost.http.ingest import NEEDS_INGEST
from roost.identity import api_key
from roost.identity.cache import IdentityCache
from roost.model import Identity, IngestGrant, TenantId

VERIFIER = "key"


@dataclass(slots=True)
class GrpcDoor:
    """`check_rate` counts by key, and by peer where no key holds."""

    prove_key: Callable[[m.KeyProof], Awaitable[m.ProvedKey]]
    cache: IdentityCache
    check_rate: Callable[[str], None]
    clock: Callable[[], float]

    async def admit(self, authorization: str, peer: str) -> tuple[TenantId, IngestGrant]:
        """NotSignedIn, NotAllowed without the scope `ingest`, Unavailable (429) over the rate."""
        try:
            identity = await self._identity(authorization)
        except NotSignedIn:
            self.check_rate(peer.rpartition(":")[0])
            raise
        self.check_rate(identity.proof_id)
        if identity.ingest is None or identity.tenant_id is None:
            raise NotAllowed(NEEDS_INGEST, reason="a key without the scope ingest")
        return identity.tenant_id, identity.ingest

    async def _identity(self, authorization: str) -> Identity:
        token = api_key.presented([(b"authorization", authorization.encode("latin-1", "replace"))])
        if token is None:
            raise NotSignedIn("Send a Roost key: `authorization: Bearer rk_…`.", reason="no key")
        if (known := self.cache.get(VERIFIER, token)) is not None:
            return known
        generation = self.cache.generation
        key = api_key.parse(token)
        proved = await self.prove_key(m.KeyProof(key.id, key.secret_hash))
        identity = api_key.identify(key.id, proved, self.clock())
        self.cache.put(VERIFIER, token, identity, generation)
        return identity
