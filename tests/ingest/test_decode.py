import gzip
import zlib
from contextlib import suppress

import pytest
from tests.ingest.spans import JSON, PROTOBUF, as_json, group, request, span

from roost.errors import BadRequest, TooLarge
from roost.ingest.decode import Encoding, Limits, decode, encoding_of, inflate

MESSAGE = request(group([span()]))
BODY = MESSAGE.SerializeToString()
SMALL = Limits(body_bytes=2_000, inflated_bytes=4_000, json_objects=50, spans=20)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (PROTOBUF, Encoding.PROTOBUF),
        ("Application/X-Protobuf", Encoding.PROTOBUF),
        (JSON, Encoding.JSON),
        ("application/json; charset=utf-8", Encoding.JSON),
    ],
)
def test_a_request_is_read_as_its_content_type_says(content_type: str, encoding: Encoding) -> None:
    body = as_json(MESSAGE) if encoding is Encoding.JSON else BODY
    assert encoding_of(content_type) is encoding
    assert decode(body, content_type, "", Limits()) == MESSAGE


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("", BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("deflate", zlib.compress(BODY)),
    ],
)
def test_a_body_may_be_compressed(name: str, body: bytes) -> None:
    assert decode(body, PROTOBUF, name, Limits()) == MESSAGE


def test_an_empty_request_is_one() -> None:
    assert decode(b"", PROTOBUF, "", Limits()) == request()


@pytest.mark.parametrize(
    ("content_type", "encoding", "says"),
    [
        pytest.param("text/plain", "", "application/x-protobuf or application/json", id="a type"),
        pytest.param("", "", "none", id="no type"),
        pytest.param(PROTOBUF, "zstd", "gzip, deflate or none", id="an encoding"),
        pytest.param(PROTOBUF, "gzip, gzip", "gzip, deflate or none", id="two encodings"),
    ],
)
def test_what_is_not_taken_is_a_415_that_says_what_is(
    content_type: str, encoding: str, says: str
) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        decode(BODY, content_type, encoding, Limits())
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("body", "content_type", "encoding", "says"),
    [
        pytest.param(b"\xff" * 9, PROTOBUF, "", "9 bytes", id="no protobuf"),
        pytest.param(b"{}", PROTOBUF, "", "looks like JSON", id="JSON called protobuf"),
        pytest.param(BODY, JSON, "", "malformed", id="protobuf called JSON"),
        pytest.param(b'{"resourceSpans":{}}', JSON, "", r"\$.resourceSpans", id="JSON says where"),
        pytest.param(BODY, PROTOBUF, "gzip", "is not gzip", id="not compressed"),
        pytest.param(zlib.compress(BODY), PROTOBUF, "gzip", "is not gzip", id="deflate"),
        pytest.param(gzip.compress(BODY)[:-4], PROTOBUF, "gzip", "too early", id="cut off"),
        pytest.param(gzip.compress(BODY)[:-4] + b"size", PROTOBUF, "gzip", "checksum", id="size"),
        pytest.param(zlib.compress(BODY)[:-4] + b"sum!", PROTOBUF, "deflate", "checksum", id="sum"),
        pytest.param(b"", PROTOBUF, "gzip", "too early", id="an empty gzip"),
        pytest.param(gzip.compress(BODY) + b"x", PROTOBUF, "gzip", "1 bytes follow", id="a tail"),
    ],
)
def test_what_does_not_hold_is_a_400_that_says_why(
    body: bytes, content_type: str, encoding: str, says: str
) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        decode(body, content_type, encoding, Limits())
    assert caught.value.status == 400


MANY = request(group([span()] * 21))
SCATTERED = request(*[group([span()])] * 8)


@pytest.mark.parametrize(
    ("body", "content_type", "encoding"),
    [
        pytest.param(b"\x00" * 2_001, PROTOBUF, "", id="as sent"),
        pytest.param(zlib.compress(bytes(4_001)), PROTOBUF, "deflate", id="inflated"),
        pytest.param(b'{"a":[' + b"{}," * 60 + b"{}]}", JSON, "", id="objects"),
        pytest.param(MANY.SerializeToString(), PROTOBUF, "", id="spans"),
        pytest.param(SCATTERED.SerializeToString(), PROTOBUF, "", id="groups"),
        pytest.param(as_json(MANY), JSON, "", id="spans in JSON"),
    ],
)
def test_what_is_over_a_limit_is_a_413(body: bytes, content_type: str, encoding: str) -> None:
    with pytest.raises(TooLarge) as caught:
        decode(body, content_type, encoding, SMALL)
    assert caught.value.status == 413


def test_a_bomb_is_not_inflated_past_the_limit() -> None:
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([squeezed.compress(bytes(2**20)) for _ in range(64)] + [squeezed.flush()])
    assert len(bomb) < 70_000
    with pytest.raises(TooLarge, match="inflates to more than 1000 bytes"):
        inflate(bomb, "gzip", 1_000)


def test_the_limit_itself_is_taken() -> None:
    assert inflate(gzip.compress(bytes(1_000)), "gzip", 1_000) == bytes(1_000)


@pytest.mark.parametrize("cut", range(0, len(BODY), 7))
def test_a_truncated_message_is_read_or_refused_but_never_breaks(cut: int) -> None:
    with suppress(BadRequest):
        decode(BODY[:cut], PROTOBUF, "", Limits())
