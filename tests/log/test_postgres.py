"""What the log in PostgreSQL does beyond what every log does."""

import asyncpg
import pytest
from tests.log.engines import Tables
from tests.log.power_loss import dice
from tests.log.test_base import entries, everything

from roost.errors import Unavailable
from roost.log.base import Damaged, Position

_FILES = (
    "SELECT pg_relation_filepath('roost_log_records'),"
    " pg_relation_filepath(reltoastrelid) FROM pg_class WHERE oid = 'roost_log_records'::regclass"
)


async def content_of_the_tables_files(connection: asyncpg.Connection) -> bytes:
    await connection.execute("CHECKPOINT")
    paths = await connection.fetchrow(_FILES)
    return b"".join(
        [await connection.fetchval("SELECT pg_read_binary_file($1)", path) for path in paths]
    )


async def test_an_erased_body_is_not_in_the_tables_files_any_more(tables: Tables) -> None:
    secret, small = dice(1).randbytes(9_000), dice(2).randbytes(150)
    log = await tables.open()
    outside = await asyncpg.connect(tables.dsn)
    await log.append(entries(secret, small, dice(3).randbytes(9_000)))
    content = await content_of_the_tables_files(outside)
    assert secret[:64] in content
    assert small[:64] in content
    await log.erase({Position(1): b"", Position(2): b"", Position(9): b""})
    content = await content_of_the_tables_files(outside)
    assert secret[:64] not in content
    assert small[:64] not in content
    assert len(await everything(log)) == 3
    await outside.close()
    await log.aclose()


async def test_a_lost_connection_costs_one_append_at_most(tables: Tables) -> None:
    log = await tables.open()
    await log.append(entries(b"one"))
    outside = await asyncpg.connect(tables.dsn)
    await outside.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'roost log' AND pid <> pg_backend_pid()"
    )
    await outside.close()
    try:
        await log.append(entries(b"perhaps"))
    except Unavailable:
        await log.append(entries(b"perhaps"))
    assert [record.body for record in await everything(log)] == [b"one", b"perhaps"]
    await log.aclose()


async def test_a_record_that_is_not_what_it_was_is_damage(tables: Tables) -> None:
    log = await tables.open()
    await log.append(entries(b"one", b"two"))
    outside = await asyncpg.connect(tables.dsn)
    await outside.execute("UPDATE roost_log_records SET data = 'x' WHERE position = 2")
    with pytest.raises(Damaged, match="record 2"):
        await everything(log)
    await outside.close()
    await log.aclose()


async def test_a_writer_that_was_overtaken_writes_nothing(tables: Tables) -> None:
    log = await tables.open()
    await log.append(entries(b"one"))
    outside = await asyncpg.connect(tables.dsn)
    await outside.execute("UPDATE roost_log_head SET last = 5")
    with pytest.raises(Unavailable):
        await log.append(entries(b"two"))
    assert await outside.fetchval("SELECT count(*) FROM roost_log_records") == 1
    await outside.close()
    await log.aclose()


async def test_a_database_that_is_not_there_is_unavailable(tables: Tables) -> None:
    with pytest.raises(Unavailable):
        await Tables(tables.dsn.replace("search_path=", "search_path=missing_")).open()
