"""In which project a managed cell keeps each session."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from roost.cells.ledger_file import by_slices, marks, reading

_PROJECTS = (
    "SELECT s.session_id, p.name FROM project_sessions s JOIN projects p ON p.id = s.project_id"
    " WHERE s.session_id IN ({marks})"
)


@dataclass(frozen=True, slots=True)
class SqliteSessions:
    path: Path

    async def projects_of(self, sessions: Sequence[str]) -> Mapping[str, str]:
        """Of those sessions the ones that the cell holds, each with the name of its project."""
        return await asyncio.to_thread(self._projects_of, sessions)

    def _projects_of(self, sessions: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        with reading(self.path) as db:
            for some in by_slices(sessions):
                found.update(db.execute(_PROJECTS.format(marks=marks(some)), some).fetchall())
        return found
