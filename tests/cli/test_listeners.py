"""What listens beyond loopback is found, whatever else the process does meanwhile."""

import socket
from pathlib import Path

import pytest
from tests.cells.stock_phoenix import require

from roost.cli.listeners import foreign_listeners

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is looked for


@pytest.mark.parametrize(("address", "is_foreign"), [("127.0.0.1", False), (EVERYWHERE, True)])
def test_a_listener_is_found_beside_a_file_that_is_closed_meanwhile(
    tmp_path: Path, address: str, is_foreign: bool
) -> None:
    own = Path("/proc/self")
    require((own / "net" / "tcp").exists(), "/proc")
    with socket.create_server((address, 0)) as listener:
        folder = tmp_path / "1"
        (folder / "fd").mkdir(parents=True)
        (folder / "net").symlink_to((own / "net").resolve())
        (folder / "fd" / "3").symlink_to((own / "fd" / str(listener.fileno())).readlink())
        (folder / "fd" / "4").touch()  # readlink fails, as for one that is gone
        port = listener.getsockname()[1]
        assert foreign_listeners(1, tmp_path) == ([f"{address}:{port}"] if is_foreign else [])
