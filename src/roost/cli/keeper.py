"""`roost keeper`: the process that holds the data directory and runs the cells."""

import logging
import sys
from typing import Annotated

import typer

from roost.cli.loop import run
from roost.settings import load_settings, settings_from_json


def keeper(
    settings_from_stdin: Annotated[bool, typer.Option(hidden=True)] = False,
    child: Annotated[bool, typer.Option(hidden=True)] = False,
    auto: Annotated[
        bool, typer.Option(help="End by itself some time after the last gateway is gone.")
    ] = False,
) -> None:
    """Hold the data directory and run the cells; gateways find it by its socket."""
    from roost.keeper import run_keeper  # with all its libraries: not for every command

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = settings_from_json(sys.stdin.readline()) if settings_from_stdin else load_settings()
    run(run_keeper(settings, auto=auto, child=child))
