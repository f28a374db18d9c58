from pathlib import Path

import pytest

from roost.cells.private_file import keep_private, read_private, replace_private
from roost.errors import ConfigError


def test_nothing_is_read_where_nothing_is(tmp_path: Path) -> None:
    assert read_private(tmp_path / "key") is None


def test_the_first_content_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert keep_private(path, b"first") == b"first"
    assert keep_private(path, b"second") == b"first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_content_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keep_private(path, b"first")
    replace_private(path, b"second")
    assert read_private(path) == b"second"


def test_a_file_that_others_can_open_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"secret")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_private(path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    keep_private(tmp_path / "real", b"secret")
    (tmp_path / "key").symlink_to("real")
    with pytest.raises(ConfigError, match="cannot be opened"):
        read_private(tmp_path / "key")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a plain file"):
        read_private(tmp_path)
