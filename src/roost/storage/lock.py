"""The data directory belongs to one keeper at a time; the kernel lets go of a dead one's lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from roost.errors import ConfigError

LOCK_NAME = "keeper.lock"


class Held(ConfigError):
    """Another keeper holds the data directory."""


@contextmanager
def data_dir_lock(data_dir: Path) -> Iterator[None]:
    """Hold `data_dir`, made if need be with mode 0700. Held names the keeper that has it;
    ConfigError says what is wrong with the directory."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(
            [
                f"data_dir: cannot use {data_dir}: {error.strerror}. Name a directory that "
                "this user may write with ROOST_DATA_DIR."
            ]
        ) from None
    try:
        _take(lock, data_dir)
        yield
    finally:
        os.close(lock)


def _take(lock: int, data_dir: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
        raise Held(
            [
                f"data_dir: {data_dir} is held by the keeper with process id {holder}. "
                "Stop it, or name another directory with ROOST_DATA_DIR."
            ]
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
