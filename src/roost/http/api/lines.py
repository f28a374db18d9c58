"""Traces and spans as lines: JSON, or CSV that is safe to open. Pure.

Rule: a cell that a spreadsheet would take for a formula begins with an apostrophe.
"""

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from roost.http.api import shapes
from roost.http.api_messages import Format

MEDIA_TYPES = {
    Format.JSONL: "application/x-ndjson",
    Format.CSV: "text/csv; charset=utf-8; header=present",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
_SPAN_COLUMNS = (
    "trace_id", "span_id", "parent_id", "project", "name", "kind", "status", "status_message",
    "start_us", "end_us", "attributes", "events", "resource",
)  # fmt: skip


def columns(*, bodies: bool) -> Sequence[str]:
    return _SPAN_COLUMNS if bodies else shapes.Trace.__struct_fields__


def header(format_: Format, *, bodies: bool) -> bytes:
    return _csv([columns(bodies=bodies)]) if format_ is Format.CSV else b""


def lines(format_: Format, rows: Iterable[Struct], *, bodies: bool) -> bytes:
    if format_ is Format.JSONL:
        return msgspec.json.Encoder().encode_lines(rows)
    names = columns(bodies=bodies)
    return _csv([[_cell(getattr(row, name)) for name in names] for row in rows])


def _cell(value: object) -> object:
    """
    >>> _cell("=1+1"), _cell(-5), _cell(None), _cell({"a": 1})
    ("'=1+1", -5, '', '{"a":1}')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return ""
    if not isinstance(value, str | int | float):
        value = msgspec.json.encode(value).decode()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
