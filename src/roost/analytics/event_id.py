"""Ids of events, made where the event happens: what is sent twice is known by them.

As UUIDs of version 7 (RFC 9562): the first 48 bits are milliseconds, so that a table keyed by them
grows at its end.
"""

import os

_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)
_RANDOM = ~((0xF << 76) | (3 << 62)) & ((1 << 80) - 1)


def new_event_id(time_ms: int) -> str:
    """
    >>> new_event_id(1_800_000_000_000)[:15]
    '01a3185c-5000-7'
    """
    rest = int.from_bytes(os.urandom(10)) & _RANDOM | _VERSION_AND_VARIANT
    text = f"{time_ms << 80 | rest:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
