"""All commands in one place.

Rule: a command's module is imported when it is called by name, for some bring half of Roost along.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module

import typer

from roost.cli.console import fail
from roost.errors import RoostError


@dataclass(frozen=True, slots=True)
class Row:
    """Where a command is: a function of a module of this package; or, with `help`, its `app`, a
    group of commands."""

    module: str
    function: str = ""
    help: str = ""


TABLE: Mapping[str, Row] = {
    "up": Row("up", "up"),
    "gateway": Row("gateway", "gateway"),
    "keeper": Row("keeper", "keeper"),
    "link": Row("link", "link"),
    "on": Row("switch", "on"),
    "off": Row("switch", "off"),
    "doctor": Row("doctor", "doctor"),
    "explain": Row("explain", "explain"),
    "backfill": Row("backfill", "backfill"),
    "tenants": Row("tenants", help="Who owns data."),
    "keys": Row("keys", help="Keys for SDKs and scripts."),
    "cells": Row("cells", help="The Phoenix of each tenant."),
    "events": Row("events", help="What the host tracks."),
    "ingest": Row("ingest", help="Spans on their way into Phoenix."),
}


def app_of(names: Iterable[str]) -> typer.Typer:
    """The command line with those commands."""
    app = typer.Typer(
        name="roost",
        help="Phoenix inside your app: your sign-in, your tenants, your look.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_several)
    for name in names:
        row = TABLE[name]
        module = import_module(f"roost.cli.{row.module}")
        if row.help:
            app.add_typer(module.app, name=name, help=row.help)
        else:
            app.command(name)(getattr(module, row.function))
    return app


def _several() -> None:
    """Phoenix inside your app: your sign-in, your tenants, your look."""


def whole() -> typer.Typer:
    """All of it."""
    return app_of(TABLE)


def main() -> None:
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    app = app_of([asked]) if asked in TABLE else whole()
    try:
        app()
    except RoostError as error:
        fail(error)
        sys.exit(1)
