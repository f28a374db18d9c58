"""Starting a keeper as a process of its own. Two started at once: the lock lets one live."""

import os
import subprocess
import sys
from pathlib import Path

LOG_NAME = "keeper.log"


def keeper_command(*, auto: bool) -> list[str]:
    """It reads its settings from standard input, a line of JSON: they hold secrets. Without `auto`
    it is somebody's child, and ends when that line's pipe does."""
    mode = "--auto" if auto else "--child"
    return [sys.executable, "-m", "roost.cli", "keeper", "--settings-from-stdin", mode]


def keeper_environment() -> dict[str, str]:
    """Without ROOST_*: what holds is what comes by the pipe."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ROOST_")}


def start_auto_keeper(data_dir: Path, settings_json: str) -> None:
    """A keeper in a session of its own, that writes to keeper.log and ends by itself some time
    after its last gateway is gone."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / LOG_NAME).open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            keeper_command(auto=True),
            env=keeper_environment(),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    if process.stdin is not None:
        process.stdin.write(settings_json.encode() + b"\n")
        process.stdin.close()
