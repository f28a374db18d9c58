"""A PostgreSQL database for a test, reached at an address of the test's choosing.

It is a server of the test's own, started as a user that is not root, unless ROOST_TEST_PG names
one: then a database of its own there, relayed to that address.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from tests.cells.stock_phoenix import free_port, require, until


@dataclass(frozen=True)
class Postgres:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str


@contextmanager
def postgres(host: str) -> Iterator[Postgres]:
    """An empty database behind `host`, gone at the end."""
    if dsn := os.environ.get("ROOST_TEST_PG"):
        with _lent(dsn, host) as lent:
            yield lent
    else:
        with _own(host) as own:
            yield own


@contextmanager
def _own(host: str) -> Iterator[Postgres]:
    programs = _programs()
    require(programs, "PostgreSQL's server")
    assert programs is not None
    home = Path(tempfile.mkdtemp(prefix="roost-postgres-"))
    server = Postgres(host, free_port(), "phoenix", secrets.token_hex(16), "postgres")
    account = _unprivileged()
    running: subprocess.Popen[bytes] | None = None
    try:
        _initialise(programs, home, server, account)
        running = _as(account, [programs / "postgres", "-D", home / "data"])
        until(lambda: _answers(server), "PostgreSQL answered", 60)
        yield server
    finally:
        if running is not None:
            running.terminate()
            running.wait(30)
        shutil.rmtree(home)


def _initialise(
    programs: Path, home: Path, server: Postgres, account: pwd.struct_passwd | None
) -> None:
    password = home / "password"
    password.write_text(server.password)
    if account is not None:
        os.chown(home, account.pw_uid, account.pw_gid)
        os.chown(password, account.pw_uid, account.pw_gid)
    data = home / "data"
    how = ["-U", server.user, "-A", "scram-sha-256", f"--pwfile={password}", "-N", "-E", "UTF8"]
    assert _as(account, [programs / "initdb", "-D", data, *how]).wait(60) == 0
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all samenet scram-sha-256\n")
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(
            f"listen_addresses = '{server.host}'\nport = {server.port}\n"
            f"unix_socket_directories = '{home}'\nfsync = off\n"
        )


def _as(
    account: pwd.struct_passwd | None, command: Sequence[str | Path]
) -> subprocess.Popen[bytes]:
    """PostgreSQL's programs refuse to run as root."""
    return subprocess.Popen(
        [str(part) for part in command],
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


def _programs() -> Path | None:
    """Where initdb and postgres are; Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if tool := shutil.which("pg_config"):
        asked = subprocess.run([tool, "--bindir"], capture_output=True, text=True, check=True)
        found.insert(0, Path(asked.stdout.strip()))
    return next((path for path in found if (path / "initdb").exists()), None)


def _answers(server: Postgres) -> bool:
    async def connect() -> None:
        connection = await asyncpg.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password,
            database=server.database,
        )
        await connection.close()

    try:
        asyncio.run(connect())
    except (OSError, asyncpg.PostgresError):
        return False
    return True


@contextmanager
def _lent(dsn: str, host: str) -> Iterator[Postgres]:
    database = f"roost_test_{secrets.token_hex(6)}"
    at = urlsplit(dsn)
    asyncio.run(_execute(dsn, f'CREATE DATABASE "{database}"'))
    try:
        with _relay(host, (at.hostname or "127.0.0.1", at.port or 5432)) as port:
            yield Postgres(host, port, at.username or "", at.password or "", database)
    finally:
        asyncio.run(_execute(dsn, f'DROP DATABASE "{database}" WITH (FORCE)'))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


@contextmanager
def _relay(host: str, target: tuple[str, int]) -> Iterator[int]:
    """A port on `host` that leads to `target`."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(target) as there:
                back = threading.Thread(target=_pump, args=(there, self.request), daemon=True)
                back.start()
                _pump(self.request, there)
                back.join()

    with socketserver.ThreadingTCPServer((host, 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
