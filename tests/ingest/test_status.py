"""Errors as google.rpc.Status, read by the official messages."""

import json

import pytest
from google.protobuf import json_format
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status as Official

from roost.errors import (
    BadRequest,
    NotAllowed,
    NotFound,
    NotSignedIn,
    RoostError,
    TooLarge,
    Unavailable,
)
from roost.ingest.decode import Encoding
from roost.ingest.status import Status, encoded, status_of

AGAIN = {8, 14}
"""RESOURCE_EXHAUSTED and UNAVAILABLE: what exporters try again."""

ERRORS = [
    (BadRequest("Ünfit."), 3),
    (BadRequest("No logs.", status=501), 12),
    (TooLarge("Too large."), 3),
    (NotSignedIn("Who?"), 16),
    (NotAllowed("No."), 7),
    (NotFound("Where?"), 5),
    (RoostError("Refused."), 13),
    (Unavailable("Full.", retry_after_s=300), 14),
    (Unavailable("Down.", status=502), 14),
    (Unavailable("Slower.", status=429), 8),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda one: str(one))
def test_an_error_is_a_status_that_says_whether_to_send_again(error: RoostError, code: int) -> None:
    status = status_of(error)
    assert (status.code, status.message) == (code, error.message)
    assert (status.retry_after_s > 0) == (code in AGAIN)


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda one: str(one))
def test_both_encodings_are_what_the_official_messages_read(error: RoostError, code: int) -> None:
    status = status_of(error)
    read = Official.FromString(encoded(status, Encoding.PROTOBUF))
    from_json = json_format.Parse(encoded(status, Encoding.JSON), Official())
    assert read == from_json
    assert (read.code, read.message) == (code, error.message)
    assert [one.Is(RetryInfo.DESCRIPTOR) for one in read.details] == [True] * (code in AGAIN)


def test_the_wait_is_a_duration() -> None:
    status = Status(status_of(Unavailable()).code, "Full.", 300)
    retry = RetryInfo()
    Official.FromString(encoded(status, Encoding.PROTOBUF)).details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 300
    assert json.loads(encoded(status, Encoding.JSON))["details"][0]["retryDelay"] == "300s"
