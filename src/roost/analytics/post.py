"""One HTTP POST of events over a connection that is kept, by the standard library alone."""

import gzip
import http.client
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

GZIP_FROM_BYTES = 1024
ANSWER_BYTES_MAX = 1024 * 1024
FAILURES = (OSError, http.client.HTTPException)
"""What `send` raises where no answer came."""


@dataclass(frozen=True, slots=True)
class Reply:
    """`retry_after_s` is None where the answer names none."""

    status: int
    body: bytes
    retry_after_s: float | None


class Post:
    """POSTs to one URL. Used by one thread."""

    def __init__(self, url: str, key: str, timeout_s: float) -> None:
        self._parts = urlsplit(url)
        if self._parts.scheme not in ("http", "https") or not self._parts.hostname:
            raise ValueError(f"{url!r} is no URL of Roost: write it like https://host/api/phoenix")
        self._path = f"{self._parts.path.rstrip('/')}/api/events"
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        self._timeout_s = timeout_s
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: bytes) -> Reply:
        """The answer, whatever its status; FAILURES where there is none."""
        headers = dict(self._headers)
        if len(body) >= GZIP_FROM_BYTES:
            body = gzip.compress(body, 1)
            headers["content-encoding"] = "gzip"
        try:
            return self._send(body, headers)
        except FAILURES:
            self.close()
            raise

    def _send(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        if self._connection is None:
            # Here and not sooner: certificates take the thread that sends some 30 ms, not another.
            self._connection = self._connect()
        self._connection.request("POST", self._path, body, headers)
        with self._connection.getresponse() as response:
            content = response.read(ANSWER_BYTES_MAX)
            if response.read(1):
                self.close()
            after = response.getheader("retry-after")
            return Reply(response.status, content, _seconds(after, time.time()))

    def _connect(self) -> http.client.HTTPConnection:
        host = self._parts.hostname or ""
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, self._parts.port, timeout=self._timeout_s)
        return http.client.HTTPConnection(host, self._parts.port, timeout=self._timeout_s)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _seconds(retry_after: str | None, now: float) -> float | None:
    """
    >>> _seconds("7", 0), _seconds("Thu, 01 Jan 1970 00:00:09 GMT", 5), _seconds("soon", 0)
    (7.0, 4.0, None)
    """
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - now
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
