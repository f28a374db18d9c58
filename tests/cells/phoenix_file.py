"""A file with those of Phoenix's tables that Roost reads, written as Phoenix writes them.

`test_real_ledger` looks at the columns in the real one.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

SERVICE = "5e" * 32
REVISION = "4aad9107d196"
TIME = "2026-11-26 10:00:00.000123"
_ANNOTATIONS = """
CREATE TABLE {table} (id INTEGER PRIMARY KEY, {row} INTEGER NOT NULL REFERENCES {on} (id)
  ON DELETE CASCADE, name TEXT, label TEXT, score REAL, explanation TEXT, metadata TEXT,
  annotator_kind TEXT, created_at TEXT, updated_at TEXT, user_id INTEGER, identifier TEXT,
  source TEXT, UNIQUE (name, {row}, identifier));
"""
_SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE alembic_version (version_num TEXT PRIMARY KEY);
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, username TEXT, oauth2_user_id TEXT,
  created_at TEXT);
CREATE TABLE projects (id INTEGER PRIMARY KEY, name TEXT UNIQUE, created_at TEXT);
CREATE TABLE project_sessions (id INTEGER PRIMARY KEY, session_id TEXT UNIQUE,
  project_id INTEGER REFERENCES projects (id) ON DELETE CASCADE);
CREATE TABLE traces (id INTEGER PRIMARY KEY, project_rowid INTEGER REFERENCES projects (id)
  ON DELETE CASCADE, trace_id TEXT UNIQUE, project_session_rowid INTEGER, start_time TEXT,
  end_time TEXT);
CREATE TABLE spans (id INTEGER PRIMARY KEY, trace_rowid INTEGER REFERENCES traces (id)
  ON DELETE CASCADE, span_id TEXT UNIQUE, parent_id TEXT, name TEXT, span_kind TEXT,
  start_time TEXT, end_time TEXT, attributes TEXT, events TEXT, status_code TEXT,
  status_message TEXT);
"""
_TABLES = (
    ("span_annotations", "span_rowid", "spans"),
    ("trace_annotations", "trace_rowid", "traces"),
    ("project_session_annotations", "project_session_id", "project_sessions"),
)


@dataclass
class PhoenixFile:
    path: Path

    def make(self) -> "PhoenixFile":
        with self._writing() as db:
            db.executescript(_SCHEMA)
            for table, row, on in _TABLES:
                db.executescript(_ANNOTATIONS.format(table=table, row=row, on=on))
            db.execute("INSERT INTO alembic_version VALUES (?)", (REVISION,))
        self.project("default")
        self.user("Roost (service)", SERVICE)
        return self

    def project(self, name: str, created_at: str = TIME) -> int:
        with self._writing() as db:
            db.execute(
                "INSERT OR IGNORE INTO projects (name, created_at) VALUES (?, ?)",
                (name, created_at),
            )
            row = db.execute("SELECT id FROM projects WHERE name = ?", (name,)).fetchone()
        return int(row[0])

    def user(self, name: str, subject: str, created_at: str = TIME) -> int:
        return self._insert("users", username=name, oauth2_user_id=subject, created_at=created_at)

    def session(self, name: str) -> int:
        return self._insert("project_sessions", session_id=name, project_id=1)

    def trace(self, trace_id: str, project: str = "default") -> int:
        row = self.project(project)
        with self._writing() as db:
            found = db.execute("SELECT id FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
        if found:
            return int(found[0])
        return self._insert("traces", trace_id=trace_id, project_rowid=row)

    def span(
        self,
        trace_id: str,
        span_id: str,
        attributes: Mapping[str, object] | None = None,
        *,
        project: str = "default",
        parent: str | None = None,
        code: str = "UNSET",
        message: str = "",
        events: list[Mapping[str, object]] | None = None,
    ) -> int:
        return self._insert(
            "spans", trace_rowid=self.trace(trace_id, project), span_id=span_id, parent_id=parent,
            name=f"span {span_id[-2:]}", span_kind="UNKNOWN", start_time=TIME,
            end_time="2026-11-26 10:00:01.000123", attributes=json.dumps(attributes or {}),
            events=json.dumps(events or []), status_code=code, status_message=message,
        )  # fmt: skip

    def annotate(
        self,
        of: str,
        target: str,
        label: str,
        *,
        name: str = "quality",
        at: str = "2026-11-26 10:00:05",
        user: int | None = None,
        metadata: Mapping[str, str] | None = None,
        identifier: str = "",
    ) -> int:
        table, row, on = next(one for one in _TABLES if of in one[0])
        with self._writing() as db:
            found = db.execute(f"SELECT id FROM {on} WHERE {of}_id = ?", (target,)).fetchone()  # noqa: S608
        return self._insert(
            table, **{row: found[0]}, name=name, label=label, metadata=json.dumps(metadata or {}),
            annotator_kind="HUMAN", created_at=at, updated_at=at, user_id=user,
            identifier=identifier, source="APP",
        )  # fmt: skip

    def run(self, statement: str, *values: object) -> None:
        with self._writing() as db:
            db.execute(statement, values)

    def _insert(self, table: str, **values: object) -> int:
        names, question = ", ".join(values), ", ".join("?" * len(values))
        with self._writing() as db:
            made = db.execute(
                f"INSERT INTO {table} ({names}) VALUES ({question})",  # noqa: S608
                tuple(values.values()),
            )
            return int(made.lastrowid or 0)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("PRAGMA foreign_keys = ON")
            yield db
