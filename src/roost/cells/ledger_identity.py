"""Which database a cell has: the same as before, or another one in its place.

Rule: what is missing in another database was not deleted. So who concludes anything from what is
missing compares identities first, and where they differ concludes nothing.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from roost.cells.ledger_file import reading


class CellIdentity(Struct, frozen=True):
    """When its first project and Roost's own account were made, and which file it is. All cells
    begin with a copy of one template, so the first alone would say nothing; the account is made
    anew in each, and is "" before the first sign-in."""

    first_project: str
    account: str
    file: str

    def is_still(self, now: "CellIdentity") -> bool:
        """`now` is the same database, looked at later.

        >>> CellIdentity("a", "", "1").is_still(CellIdentity("a", "t", "1"))
        True
        >>> CellIdentity("a", "t", "1").is_still(CellIdentity("a", "", "1"))
        False
        """
        same = (self.first_project, self.file) == (now.first_project, now.file)
        return same and self.account in ("", now.account)

    def encoded(self) -> str:
        return msgspec.json.encode(self).decode()


def identity_from(text: str) -> CellIdentity:
    return msgspec.json.decode(text, type=CellIdentity)


@dataclass(frozen=True, slots=True)
class SqliteIdentity:
    """`service` is the subject of Roost's own service in the cell."""

    path: Path
    service: str

    async def look(self) -> CellIdentity:
        """Unavailable where the database cannot be read."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> CellIdentity:
        with reading(self.path) as db:
            project = db.execute("SELECT created_at FROM projects ORDER BY id LIMIT 1").fetchone()
            account = db.execute(
                "SELECT id, created_at FROM users WHERE oauth2_user_id = ?", (self.service,)
            ).fetchone()
            stat = self.path.stat()
        return CellIdentity(
            first_project=str(project[0]) if project else "",
            account=f"{account[0]} {account[1]}" if account else "",
            file=f"{stat.st_dev}:{stat.st_ino}",
        )
