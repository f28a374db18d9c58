"""Files that hold a secret of the installation.

Rule: a secret is read only from a plain file that belongs to this user and that nobody else can
open, and it appears under its name whole or not at all.
"""

import os
import secrets
import stat
from pathlib import Path

from roost.errors import ConfigError

MAX_BYTES = 64 * 1024


def read_private(path: Path) -> bytes | None:
    """The file's bytes, None where there is no such file.

    ConfigError where somebody else could have written or read it, or it is no plain file.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError([f"{path} cannot be opened: {error.strerror}"]) from None
    try:
        _refuse_unsafe(path, os.fstat(fd))
        return os.read(fd, MAX_BYTES)
    finally:
        os.close(fd)


def keep_private(path: Path, content: bytes) -> bytes:
    """Write `content` unless the file is there; what stands in the file afterwards."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return read_private(path) or b""
    finally:
        draft.unlink()
    return content


def replace_private(path: Path, content: bytes) -> None:
    """Write `content` over whatever stands there."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    keep_private(draft, content)
    draft.replace(path)


def _refuse_unsafe(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError([f"{path} is not a plain file; move it away"])
    if status.st_uid != os.geteuid():
        raise ConfigError([f"{path} belongs to another user; `chown` it to the one Roost runs as"])
    if status.st_mode & 0o077:
        raise ConfigError([f"{path} can be opened by other users; `chmod 600 {path}`"])
