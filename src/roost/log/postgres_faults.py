"""What asyncpg and PostgreSQL say, in the words of Roost."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from roost.errors import Unavailable
from roost.log.base import Damaged
from roost.log.postgres_table import RECORDS, Displaced
from roost.log.row import Torn

_NO_ROOM = "The database of the log is full. Send the batch again later."
_FAILED = "The database of the log could not be used. Try again in a moment."
_SLOW = "The database of the log did not answer in time. Try again in a moment."
_DISPLACED = "Another keeper has the log of this tenant. Try again in a moment."


@contextmanager
def told() -> Iterator[None]:
    """Errors of the block as Unavailable or Damaged."""
    try:
        yield
    except (Torn, asyncpg.DataCorruptedError, asyncpg.IndexCorruptedError) as error:
        raise Damaged(
            f"Table {RECORDS} is damaged: {error}. Put the database back from a backup.",
            reason=f"{type(error).__name__}: {error}",
            retry_after_s=60,
        ) from error
    except Displaced as error:
        raise Unavailable(_DISPLACED, reason=str(error), retry_after_s=5) from error
    except asyncpg.DiskFullError as error:
        raise Unavailable(_NO_ROOM, reason=str(error), retry_after_s=30) from error
    except TimeoutError as error:
        raise Unavailable(_SLOW, reason="PostgreSQL did not answer in time") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise Unavailable(_FAILED, reason=f"{type(error).__name__}: {error}") from error
