"""The scanner finds a mark in every spelling that an answer may have."""

import base64
import gzip
import zlib
from urllib.parse import quote

import pytest
from tests.isolation.canary import Marks, marks_in

OWNER = "canaryglobex"
MARK = Marks(OWNER).new("name")


@pytest.mark.parametrize(
    "data",
    [
        MARK.encode(),
        f'{{"name": "{MARK}"}}'.encode(),
        gzip.compress(MARK.encode()),
        zlib.compress(MARK.encode()),
        base64.b64encode(f"Dataset:{MARK}".encode()),
        b'{"cursor":"' + base64.urlsafe_b64encode(base64.b64encode(MARK.encode())) + b'"}',
        "".join(f"\\u00{ord(letter):02x}" for letter in MARK).encode(),
        "".join(f"%{ord(letter):02X}" for letter in MARK).encode(),
        quote(base64.b64encode(MARK.encode()).decode()).encode(),
    ],
    ids=["plain", "json", "gzip", "zlib", "id", "cursor", "escaped", "percent", "both"],
)
def test_a_mark_is_found(data: bytes) -> None:
    assert f"{OWNER}-001" in marks_in(data, OWNER)


def test_ids_are_found_in_hex_and_as_bytes() -> None:
    trace_id = Marks(OWNER).trace_id()
    assert len(trace_id) == 32
    assert marks_in(trace_id.encode(), OWNER)
    assert marks_in(base64.b64encode(bytes.fromhex(trace_id)), OWNER)
    assert marks_in(Marks(OWNER).span_id().encode(), OWNER)


def test_marks_of_somebody_else_are_none() -> None:
    assert marks_in(Marks("canaryofacme").new().encode(), OWNER) == set()
    assert marks_in(b"a text about birds", OWNER) == set()
