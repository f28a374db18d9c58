"""A connection for one question, with a deadline.

Rule: a statement that runs longer is ended in the database, not left behind: a chart that nobody
waits for any more costs nobody anything.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from roost.errors import Unavailable


@asynccontextmanager
async def reading(engine: AsyncEngine, deadline_s: float) -> AsyncIterator[AsyncConnection]:
    """Unavailable once the deadline has passed."""
    async with engine.connect() as connection:
        deadline = _Deadline(connection, deadline_s)
        await deadline.set()
        try:
            yield connection
        except DBAPIError as error:
            if deadline.was_the_cause_of(error):
                raise Unavailable(
                    f"This question took longer than {deadline_s:g} s; ask about less time.",
                    reason="events: deadline",
                ) from error
            raise
        finally:
            await deadline.lift()


class _Deadline:
    """PostgreSQL ends a statement by itself; SQLite's is interrupted from here."""

    def __init__(self, connection: AsyncConnection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._timer: asyncio.Task[None] | None = None
        self._passed = False

    async def set(self) -> None:
        if self._connection.dialect.name == "postgresql":
            limit = f"SET LOCAL statement_timeout = {round(self._seconds * 1000)}"
            await self._connection.execute(text(limit))
        else:
            raw = (await self._connection.get_raw_connection()).driver_connection
            self._timer = asyncio.create_task(self._interrupt(raw))

    # The driver's own type: SQLAlchemy knows it as Any.
    async def _interrupt(self, raw: Any) -> None:
        await asyncio.sleep(self._seconds)
        self._passed = True
        await raw.interrupt()

    def was_the_cause_of(self, error: DBAPIError) -> bool:
        return self._passed or "statement timeout" in str(error.orig)

    async def lift(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            await asyncio.gather(self._timer, return_exceptions=True)
