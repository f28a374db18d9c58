"""One-time links, the browser sessions they begin, and proofs that were revoked early.

Rule: only hashes of what opens a door are stored.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from roost.storage.tables import links, revoked_proofs, sessions


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Sessions:
    engine: AsyncEngine
    clock: Callable[[], float]

    async def add_link(self, token_hash: bytes, expires_at: float) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(delete(links).where(links.c.expires_at < self.clock()))
            await connection.execute(insert(links).values(hash=token_hash, expires_at=expires_at))

    async def burn_link(self, token_hash: bytes) -> bool:
        """True for the one caller who used the link in time."""
        spend = delete(links).where(links.c.hash == token_hash, links.c.expires_at >= self.clock())
        async with self.engine.begin() as connection:
            return (await connection.execute(spend)).rowcount == 1

    async def begin(self, token_hash: bytes, session: Session) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(delete(sessions).where(sessions.c.expires_at < self.clock()))
            await connection.execute(
                insert(sessions).values(
                    hash=token_hash, id=session.id, expires_at=session.expires_at
                )
            )

    async def find(self, token_hash: bytes) -> Session | None:
        query = select(sessions).where(
            sessions.c.hash == token_hash, sessions.c.expires_at >= self.clock()
        )
        async with self.engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else Session(row.id, row.expires_at)

    async def revoke(self, proof_id: str, until: float) -> None:
        """That proof is no longer one; the row is kept until it would have expired by itself."""
        async with self.engine.begin() as connection:
            await connection.execute(delete(sessions).where(sessions.c.id == proof_id))
            await connection.execute(
                delete(revoked_proofs).where(revoked_proofs.c.until < self.clock())
            )
        try:
            async with self.engine.begin() as connection:
                await connection.execute(
                    insert(revoked_proofs).values(proof_id=proof_id, until=until)
                )
        except IntegrityError:
            return  # signed out twice

    async def revoked(self) -> list[str]:
        query = select(revoked_proofs.c.proof_id).where(revoked_proofs.c.until >= self.clock())
        async with self.engine.connect() as connection:
            return list((await connection.execute(query)).scalars())
