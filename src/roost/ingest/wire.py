"""Protobuf's wire format, as far as messages are put together from parts that are bytes already.

Source: protobuf.dev, "Encoding". Rule: only length-delimited fields and whole numbers; everything
else is left to protobuf itself.
"""

from collections.abc import Iterable


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field: bytes, a string, or a message.

    >>> field(2, b"roost").hex()
    '1205726f6f7374'
    """
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def whole_number(number: int, value: int) -> bytes:
    """A field of an integer type that is not negative; 0 is left out, as protobuf does."""
    return varint(number << 3) + varint(value) if value else b""


def fields(number: int, payloads: Iterable[bytes]) -> bytes:
    return b"".join([field(number, payload) for payload in payloads])


def varint(value: int) -> bytes:
    """
    >>> varint(1).hex(), varint(300).hex()
    ('01', 'ac02')
    """
    if value < 0x80:
        return bytes((value,))
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
