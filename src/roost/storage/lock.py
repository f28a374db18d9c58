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


def make_data_dir(data_dir: Path) -> None:
    """`data_dir` with mode 0700, where it is missing. ConfigError says what is wrong with it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        refuse_foreign(data_dir)
        next(data_dir.iterdir(), None)
    except OSError as error:
        raise _unfit(data_dir, error) from None


def refuse_foreign(folder: Path) -> None:
    """A folder in a shared place could be somebody else's, who would then be our keeper."""
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise ConfigError(
            [f"data_dir: {folder} must belong to this user and be writable by nobody else"]
        )


def refuse_held(data_dir: Path) -> None:
    """Held where a keeper has `data_dir` now."""
    try:
        lock = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unfit(data_dir, error) from None
    try:
        _lock(lock, data_dir)
    finally:
        os.close(lock)


@contextmanager
def data_dir_lock(data_dir: Path) -> Iterator[None]:
    """Hold `data_dir`, made if need be with mode 0700. Held names the keeper that has it;
    ConfigError says what is wrong with the directory."""
    make_data_dir(data_dir)
    try:
        lock = os.open(data_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unfit(data_dir, error) from None
    try:
        _lock(lock, data_dir)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, data_dir: Path) -> None:
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


def _unfit(data_dir: Path, error: OSError) -> ConfigError:
    return ConfigError(
        [
            f"data_dir: cannot use {data_dir}: {error.strerror}. Name a directory that "
            "this user may write with ROOST_DATA_DIR."
        ]
    )
