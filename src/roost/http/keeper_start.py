"""Starting a keeper as a process of its own. Two started at once: the lock lets one live."""

import logging
import os
import subprocess
import sys
from pathlib import Path

from roost.errors import ConfigError
from roost.storage.lock import make_data_dir

LOG_NAME = "keeper.log"
_POINT = "  - "

log = logging.getLogger("roost.keeper_start")


def keeper_command(*, auto: bool) -> list[str]:
    """It reads its settings from standard input, a line of JSON: they hold secrets. Without `auto`
    it is somebody's child, and ends when that line's pipe does."""
    mode = "--auto" if auto else "--child"
    return [sys.executable, "-m", "roost.cli", "keeper", "--settings-from-stdin", mode]


def keeper_environment() -> dict[str, str]:
    """Without ROOST_*: what holds is what comes by the pipe."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ROOST_")}


class KeeperLog:
    """Where a keeper writes, from the moment that it is about to be started."""

    def __init__(self, data_dir: Path) -> None:
        make_data_dir(data_dir)
        self.path = data_dir / LOG_NAME
        self._began = self.path.stat().st_size if self.path.exists() else 0

    def findings(self) -> list[str]:
        """Why that keeper could not start, in its own words; where to look if it had none."""
        with self.path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self._began)
            _, told, rest = file.read().partition(f"{ConfigError.title}:\n")
        points = (line for line in rest.splitlines() if line.startswith(_POINT))
        found = [point.removeprefix(_POINT) for point in points] if told else []
        return found or [f"the keeper ended at once; {self.path} says why"]


class AutoKeeper:
    """A keeper in a session of its own, that writes to keeper.log and ends by itself some time
    after its last gateway is gone. `start` is called whenever none answers."""

    def __init__(self, data_dir: Path, settings_json: str) -> None:
        self._data_dir = data_dir
        self._settings_json = settings_json
        self._last: tuple[subprocess.Popen[bytes], KeeperLog] | None = None

    def start(self) -> None:
        """Start one, unless the last that was started still runs. ConfigError where the data
        directory is not fit for one."""
        if self._last is not None and self._last[0].poll() is None:
            return
        if failure := self.failure():
            log.error("the keeper could not start: %s", "; ".join(failure))
        written = KeeperLog(self._data_dir)
        with written.path.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                keeper_command(auto=True),
                env=keeper_environment(),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._last = (process, written)
        if process.stdin is not None:
            process.stdin.write(self._settings_json.encode() + b"\n")
            process.stdin.close()

    def failure(self) -> list[str]:
        """Why the last one that was started could not run; nothing while it does."""
        if self._last is None or not self._last[0].poll():
            return []
        return self._last[1].findings()
