"""The command line. Each command says what it did; each list and create has `--json`."""

from roost.cli.main import main

__all__ = ["main"]
