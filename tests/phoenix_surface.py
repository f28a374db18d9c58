"""What the installed Phoenix offers: routes, GraphQL schema, and what its own UI asks for.

Rule: the test process never imports Phoenix. The server's part is printed by another process, the
UI's part is read from the bundle that the wheel ships.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from graphql import GraphQLSchema, build_schema

_PRINTER = Path(__file__).with_name("print_phoenix_surface.py")
_TIMEOUT_S = 180
_LITERAL = re.compile(r"text:(`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\")")
_ESCAPE = re.compile(r"\\(.)")
_OPERATION = re.compile(r"\s*(?:query|mutation|subscription)\b")
_UI_ROUTE = re.compile(r"\{path:`(/[^`]*)`")


@dataclass(frozen=True)
class Surface:
    """`routes` are (method, path template); `ui_documents` the GraphQL documents of the web UI,
    `ui_routes` its own absolute routes, `static_files` what is served beside the page."""

    routes: frozenset[tuple[str, str]]
    schema_text: str = field(repr=False)
    ui_documents: tuple[str, ...] = field(repr=False)
    ui_routes: frozenset[str]
    static_files: frozenset[str]

    @cached_property
    def schema(self) -> GraphQLSchema:
        return build_schema(self.schema_text)


def static_directory() -> Path | None:
    """Where the installed Phoenix keeps its web UI, or None: Phoenix is not installed."""
    try:
        found = distribution("arize-phoenix").locate_file("phoenix/server/static")
    except PackageNotFoundError:
        return None
    return Path(str(found))


def surface_of(printed: str, static: Path) -> Surface:
    told = json.loads(printed)
    files = [path for path in static.rglob("*") if path.is_file()]
    scripts = [path.read_text() for path in files if _is_phoenix_s_own(path)]
    return Surface(
        frozenset((method, path) for method, path in told["routes"]),
        told["schema"],
        tuple(document for script in scripts for document in _documents(script)),
        frozenset(route for script in scripts for route in _UI_ROUTE.findall(script)),
        frozenset(path.relative_to(static).as_posix() for path in files),
    )


def _is_phoenix_s_own(path: Path) -> bool:
    return path.suffix == ".js" and not path.name.startswith("vendor-")


def printed_surface(working_directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(_PRINTER)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(working_directory),
            "PHOENIX_WORKING_DIR": str(working_directory),
            "OPENBLAS_NUM_THREADS": "1",
        },
        capture_output=True,
        check=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    return done.stdout


def surface_key() -> str:
    """Changes with Phoenix, with Python and with what is printed."""
    version = distribution("arize-phoenix").version
    return (
        f"{version}-{sys.version_info.major}.{sys.version_info.minor}-{len(_PRINTER.read_text())}"
    )


def _documents(script: str) -> Iterator[str]:
    for found in _LITERAL.finditer(script):
        text = _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], found[1][1:-1])
        if _OPERATION.match(text):
            yield text
