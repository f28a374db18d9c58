"""The projects of a home, by name and number.

Rule: a project is made by the first trace that names it, and goes only when it is deleted itself;
made anew it is another number.
"""

import sqlite3


class Projects:
    """The writer's; forgets what a rollback took back."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._ids: dict[str, int] = {}

    def id_of(self, name: str) -> int:
        """Makes the project where there is none."""
        if (found := self._ids.get(name)) is not None:
            return found
        found = known_project(self._db, name)
        if found is None:
            made = self._db.execute("INSERT INTO project (name, traces) VALUES (?, 0)", (name,))
            found = int(made.lastrowid or 0)
        self._ids[name] = found
        return found

    def delete(self, project: int) -> None:
        self._db.execute("DELETE FROM project WHERE id = ?", (project,))
        self.forget()

    def forget(self) -> None:
        self._ids.clear()


def known_project(db: sqlite3.Connection, name: str) -> int | None:
    row = db.execute("SELECT id FROM project WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else None


def project_name(db: sqlite3.Connection, project: int) -> str:
    row = db.execute("SELECT name FROM project WHERE id = ?", (project,)).fetchone()
    return str(row[0]) if row else ""
