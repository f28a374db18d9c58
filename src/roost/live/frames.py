"""What a watcher is sent, in the form of either transport.

Rule: one frame is encoded once, however many watchers get it, and is one line of JSON whatever the
row in it looks like: a line break would begin another event.
"""

from dataclasses import dataclass, field

import msgspec

_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")


@dataclass(slots=True)
class Frame:
    """`id` is a resume token, "" where there is none; `more` is JSON that follows type and id, from
    its comma on."""

    kind: str
    id: str = ""
    more: bytes = b""
    _text: str = field(default="", init=False)
    _event: bytes = field(default=b"", init=False)

    @property
    def text(self) -> str:
        """For a WebSocket."""
        if not self._text:
            self._text = self._json().decode()
        return self._text

    @property
    def event(self) -> bytes:
        """For an event stream."""
        if not self._event:
            place = b"id: %b\n" % self.id.encode() if self.id else b""
            self._event = b"event: %b\n%bdata: %b\n\n" % (self.kind.encode(), place, self._json())
        return self._event

    def _json(self) -> bytes:
        place = b',"id":"%b"' % self.id.encode() if self.id else b""
        return b'{"type":"%b"%b%b}' % (self.kind.encode(), place, self.more)


def hello(token: str, heartbeat_s: float) -> Frame:
    """The first one. Without a token where the watcher has one to resume from."""
    return Frame("hello", token, b',"heartbeat_s":' + msgspec.json.encode(heartbeat_s))


def upsert(token: str, row: bytes) -> Frame:
    """`row` is JSON; white space outside its strings is all that a line break in it can be."""
    return Frame("upsert", token, b',"trace":' + row.translate(_LINE_BREAKS))


def remove(token: str, trace_id: str) -> Frame:
    return Frame("remove", token, b',"trace_id":' + msgspec.json.encode(trace_id))


def missed(count: int) -> Frame:
    """So many changes were dropped since the last frame: load the list again."""
    return Frame("missed", "", b',"count":%d' % count)


def resumed(token: str) -> Frame:
    """What was missed has been told; from here on it is live."""
    return Frame("resumed", token)


def reset(token: str) -> Frame:
    """What was missed cannot be told: load the list again."""
    return Frame("reset", token)


def heartbeat(token: str) -> Frame:
    return Frame("heartbeat", token)


def expired() -> Frame:
    """The proof has ended; the last frame of a stream."""
    return Frame("expired")
