"""Opening a database of Roost's: SQLite (WAL) or PostgreSQL, brought to the newest revision."""

from functools import partial
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

CONTROL = Path(__file__).parent / "migrations"
HOME = Path(__file__).parent / "home_migrations"


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


async def open_database(url: str, migrations: Path) -> AsyncEngine:
    """An engine on the database at `url`, migrated: CONTROL or HOME. The caller disposes of it."""
    engine = create_async_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _tune_sqlite)
    async with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            # Else each statement of a migration commits by itself, and a crash between two of them
            # leaves a database that can never be opened again.
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        await connection.run_sync(partial(migrate, migrations=migrations))
    return engine


def migrate(connection: Connection, migrations: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _tune_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
