"""What a cell's database holds, row by row, read beside the cell and never written."""

import base64
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from tests.installation import Installation

Rows = Mapping[str, frozenset[tuple[object, ...]]]

SIGN_IN = frozenset({"access_tokens", "refresh_tokens", "users"})
"""What changes when somebody signs in, by nobody's wish."""
NOT_DATA = SIGN_IN | {"sqlite_sequence"}

NODE_TYPES: Mapping[str, tuple[str, ...]] = {
    "annotation_configs": ("CategoricalAnnotationConfig", "FreeformAnnotationConfig"),
    "dataset_evaluators": ("DatasetEvaluator",),
    "dataset_examples": ("DatasetExample",),
    "dataset_labels": ("DatasetLabel",),
    "dataset_splits": ("DatasetSplit",),
    "dataset_versions": ("DatasetVersion",),
    "datasets": ("Dataset",),
    "document_annotations": ("DocumentAnnotation",),
    "evaluators": ("LLMEvaluator", "BuiltInEvaluator", "CodeEvaluator"),
    "experiment_run_annotations": ("ExperimentRunAnnotation",),
    "experiment_runs": ("ExperimentRun",),
    "experiment_tags": ("ExperimentTag",),
    "experiments": ("Experiment",),
    "generative_model_custom_providers": ("GenerativeModelCustomProvider",),
    "generative_models": ("GenerativeModel",),
    "project_session_annotations": ("ProjectSessionAnnotation",),
    "project_sessions": ("ProjectSession",),
    "project_trace_retention_policies": ("ProjectTraceRetentionPolicy",),
    "projects": ("Project",),
    "prompt_labels": ("PromptLabel",),
    "prompt_version_tags": ("PromptVersionTag",),
    "prompt_versions": ("PromptVersion",),
    "prompts": ("Prompt",),
    "span_annotations": ("SpanAnnotation",),
    "spans": ("Span",),
    "trace_annotations": ("TraceAnnotation",),
    "traces": ("Trace",),
    "users": ("User",),
}
"""Which Relay types name the rows of a table, `base64("<type>:<row id>")`."""


def home_of(roost: Installation, slug: str) -> Path:
    """Where that tenant's data is, asked of the control database: the command takes seconds."""
    query = "SELECT id FROM tenants WHERE slug = ? AND deleting_at IS NULL"
    with closing(_read(roost.data_dir / "control.db")) as database:
        (tenant_id,) = database.execute(query, (slug,)).fetchone()
    return roost.data_dir / "homes" / str(tenant_id)


def all_rows(home: Path) -> Rows:
    """Every row of every table."""
    with closing(_connect(home)) as database:
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {table: frozenset(_rows(database, table)) for (table,) in found}


def data_of(home: Path) -> Rows:
    """The same without what signing in changes."""
    return {table: rows for table, rows in all_rows(home).items() if table not in NOT_DATA}


def relay_ids(
    home: Path, project: str, above: Mapping[str, int] | None = None
) -> dict[str, list[str]]:
    """Relay ids by type, last first, of rows above those of each table; that project's first."""
    ids: dict[str, list[str]] = {}
    with closing(_connect(home)) as database:
        named = database.execute("SELECT id FROM projects WHERE name = ?", (project,)).fetchone()
        ids["Project"] = [_relay_id("Project", named[0])]
        for table, types in NODE_TYPES.items():
            last = (above or {}).get(table, 0)
            query = f"SELECT id FROM {table} WHERE id > ? ORDER BY id DESC"  # noqa: S608
            for (row,) in database.execute(query, (last,)):
                for name in types:
                    ids.setdefault(name, []).append(_relay_id(name, row))
    return ids


def last_rows(home: Path) -> dict[str, int]:
    with closing(_connect(home)) as database:
        return {
            table: database.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0]  # noqa: S608
            for table in NODE_TYPES
        }


def _relay_id(name: str, row: int) -> str:
    return base64.b64encode(f"{name}:{row}".encode()).decode()


def _connect(home: Path) -> sqlite3.Connection:
    return _read(home / "phoenix" / "phoenix.db")


def _read(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)


def _rows(database: sqlite3.Connection, table: str) -> Iterator[tuple[object, ...]]:
    yield from database.execute(f'SELECT * FROM "{table}"')  # noqa: S608
