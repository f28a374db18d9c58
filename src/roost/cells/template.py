"""An empty, migrated database that new cells begin with: Phoenix's migrations take seconds.

Rule 1: Phoenix makes it, by its own command, once a version; it holds nobody's row and no secret.
Where it cannot be made, cells migrate by themselves, as ever. Rule 2: a new cell waits for it: one
that is killed while it migrates its own database can never be started again.
"""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from roost.cells.job import ExitReason
from roost.cells.launcher import CellProcess, Launch, listen_on_loopback
from roost.errors import Unavailable

MAKE_TIMEOUT_S = 120.0
TRIES = 3
"""It may have been killed."""
MEMORY_BYTES = 2 * 1024**3
DATABASE = "phoenix.db"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Template:
    """`folder` is absolute and nobody's; `version` is Phoenix's."""

    launch: Callable[[Launch], Awaitable[CellProcess]]
    folder: Path
    version: str
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def path(self) -> Path:
        return self.folder / f"template-{self.version}.db"

    async def make(self) -> None:
        """Make it where it is missing; a failure is logged, and costs only time."""
        async with self._making:
            if not self.path.exists():
                await self._make()

    async def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.folder / "draft.db"
        self._remove(draft)
        try:
            async with asyncio.timeout(MAKE_TIMEOUT_S):
                reason = await (await self._migrate(draft)).exited
        except (Unavailable, TimeoutError) as error:
            log.warning("no template of a cell's database: %s", error)
            return
        self._adopt(draft, reason)

    async def begin(self, working_dir: Path) -> None:
        """Give a new cell its database; one that has one keeps it."""
        database = working_dir / DATABASE
        if database.exists():
            return
        for _ in range(TRIES):
            await self.make()
            if self.path.exists():
                await asyncio.to_thread(self._copy, working_dir, database)
                return

    def _copy(self, working_dir: Path, database: Path) -> None:
        draft = working_dir / f".{DATABASE}.draft"
        shutil.copyfile(self.path, draft)
        draft.replace(database)

    async def _migrate(self, draft: Path) -> CellProcess:
        environment = {
            "PHOENIX_SQL_DATABASE_URL": f"sqlite:///{draft}",
            "PHOENIX_WORKING_DIR": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
        }
        with contextlib.closing(listen_on_loopback()) as listener:  # every process gets one
            return await self.launch(
                Launch(
                    environment=environment,
                    working_dir=self.folder,
                    log_path=self.folder / "template.log",
                    listener=listener,
                    memory_bytes=MEMORY_BYTES,
                    arguments=("db", "migrate"),
                )
            )

    def _adopt(self, draft: Path, reason: ExitReason) -> None:
        """A write-ahead log beside it would say that the file is not whole."""
        if reason.code == 0 and draft.exists() and not Path(f"{draft}-wal").exists():
            draft.replace(self.path)
        else:
            log.warning("no template of a cell's database: %s", reason)

    def _remove(self, draft: Path) -> None:
        for ending in ("", "-wal", "-shm"):
            Path(f"{draft}{ending}").unlink(missing_ok=True)
