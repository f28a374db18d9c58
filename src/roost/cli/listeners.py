"""Where a process listens, read from /proc: a cell may be reached from this machine alone."""

import socket
import struct
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

LISTEN = "0A"
_TABLES = {"tcp": socket.AF_INET, "tcp6": socket.AF_INET6}


def foreign_listeners(pid: int, proc: Path = Path("/proc")) -> list[str]:
    """`address:port` of each TCP socket of that process that other machines could reach; none
    where the system has no /proc."""
    inodes = _sockets(proc / str(pid) / "fd")
    found = []
    for name in _TABLES:
        for address, port, inode in _listening(proc / str(pid) / "net" / name):
            if inode in inodes and not ip_address(address).is_loopback:
                found.append(f"{address}:{port}")
    return found


def _sockets(folder: Path) -> set[str]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return set()
    return {link[8:-1] for link in map(_link, entries) if link.startswith("socket:[")}


def _link(entry: Path) -> str:
    """Where it leads; "" for one that was closed meanwhile, which says nothing of the others."""
    try:
        return str(entry.readlink())
    except OSError:
        return ""


def _listening(table: Path) -> Iterator[tuple[str, int, str]]:
    try:
        rows = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return
    for row in rows:
        columns = row.split()
        if columns[3] == LISTEN:
            host, _, port = columns[1].partition(":")
            yield _address(host), int(port, 16), columns[9]


def _address(text: str) -> str:
    """The kernel prints 32-bit words in the machine's order.

    >>> import sys
    >>> _address("0100007F") if sys.byteorder == "little" else "127.0.0.1"
    '127.0.0.1'
    """
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)
