"""Where a cell's redirects lead, as the caller's browser must see it. Pure.

Rule: a redirect stays in the mount of the cell that sent it, or there is none.
"""

import re
from urllib.parse import urljoin, urlsplit

_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?=/|$)", re.IGNORECASE)


def rewrite_location(
    location: str, *, asked: str, address: str, root: str, mount: str
) -> str | None:
    """`location`, answered by the cell at `address` to the path `asked`, below `mount`.

    `root` is the path prefix that the cell itself knows it has. None where it leads elsewhere:
    another host, another scheme, out of the mount by dots, or by what browsers read as `/`.

    >>> here = {"asked": "/v1/x/", "address": "http://127.0.0.1:9", "root": "/r", "mount": "/m"}
    >>> rewrite_location("http://127.0.0.1:9/r/v1/x?a=b", **here)
    '/m/v1/x?a=b'
    >>> rewrite_location("../y", **here), rewrite_location("//evil.example/", **here)
    ('/m/v1/y', None)
    """
    if _UNFIT.search(location):
        return None
    try:
        there = urlsplit(urljoin(address + asked, location))
    except ValueError:
        return None
    if f"{there.scheme}://{there.netloc}" != address.rstrip("/") or _DOTS.search(there.path):
        return None
    tail = "?" * bool(there.query) + there.query + "#" * bool(there.fragment) + there.fragment
    return mount + _below(root, there.path or "/") + tail


def _below(root: str, path: str) -> str:
    if root and (path == root or path.startswith(root + "/")):
        return path.removeprefix(root) or "/"
    return path
