"""Each error's answer, and what it must not hold."""

import json
import logging

import pytest
from tests.http.scopes import a_scope, ask

from roost.errors import (
    BadRequest,
    NotAllowed,
    NotFound,
    NotSignedIn,
    RoostError,
    TooLarge,
    Unavailable,
)
from roost.http.call import Receive, Scope, Send
from roost.http.problems import App, Problems

BROWSER = {"accept": "text/html,*/*", "sec-fetch-dest": "iframe"}


def raising(error: Exception) -> App:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return Problems(app, ("'self'", "https://app.example.com"))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadRequest("Mend it."), 400),
        (BadRequest("Mend it.", status=415), 415),
        (NotSignedIn(), 401),
        (NotAllowed("Ask an admin."), 403),
        (NotFound(), 404),
        (TooLarge("Too many headers.", status=431), 431),
        (Unavailable("Waking."), 503),
        (Unavailable("Slower.", status=429, retry_after_s=7), 429),
    ],
    ids=lambda value: str(value),
)
async def test_an_error_becomes_a_problem(error: RoostError, status: int) -> None:
    answer = await ask(raising(error), a_scope())
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "private, no-store"
    assert json.loads(answer.body) == {
        "type": "about:blank",
        "title": error.title,
        "status": status,
        "detail": error.message,
    }


async def test_a_wait_is_told() -> None:
    answer = await ask(raising(Unavailable(retry_after_s=7)), a_scope())
    assert answer.headers["retry-after"] == "7"
    answer = await ask(raising(Unavailable(retry_after_s=0)), a_scope())
    assert "retry-after" not in answer.headers


async def test_who_is_not_signed_in_hears_how() -> None:
    answer = await ask(raising(NotSignedIn()), a_scope())
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_reason_is_for_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "roost")
    for headers in ({}, BROWSER):
        error = NotFound(reason="globex is not yours")
        answer = await ask(raising(error), a_scope(headers=headers))
        assert b"globex" not in answer.body
    assert "globex is not yours" in caplog.text


@pytest.mark.parametrize("headers", [{}, BROWSER], ids=["JSON", "a page"])
async def test_an_unexpected_error_shows_a_number_that_the_log_has(
    headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(raising(KeyError("/secret/path")), a_scope(headers=headers))
    assert answer.status == 500
    assert b"secret" not in answer.body
    (record,) = caplog.records
    assert str(record.args[0] if isinstance(record.args, tuple) else "").encode() in answer.body
    assert record.exc_info is not None


async def test_a_document_gets_a_page_without_scripts() -> None:
    answer = await ask(raising(NotAllowed("<b>no</b>")), a_scope(headers=BROWSER))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert b"&lt;b&gt;no" in answer.body
    assert b"<script" not in answer.body
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "frame-ancestors 'self' https://app.example.com" in policy


async def test_a_page_of_something_that_wakes_loads_again_by_itself() -> None:
    answer = await ask(raising(Unavailable(retry_after_s=3)), a_scope(headers=BROWSER))
    assert b'http-equiv="refresh" content="3"' in answer.body


async def test_a_form_that_somebody_sent_gets_a_page() -> None:
    answer = await ask(raising(NotFound()), a_scope("POST", headers=BROWSER))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"accept": "text/html"}),
        ("POST", {"accept": "text/html", "sec-fetch-dest": "empty"}),
        ("GET", {"accept": "text/html", "sec-fetch-dest": "empty"}),
        ("GET", {"accept": "*/*"}),
        ("GET", {"accept": "application/json"}),
    ],
)
async def test_a_script_gets_json(method: str, headers: dict[str, str]) -> None:
    answer = await ask(raising(NotFound()), a_scope(method, headers=headers))
    assert answer.headers["content-type"] == "application/problem+json"


async def test_head_gets_no_body() -> None:
    answer = await ask(raising(NotFound()), a_scope("HEAD"))
    assert (answer.status, answer.body) == (404, b"")


async def test_a_socket_is_refused_with_a_code() -> None:
    answer = await ask(raising(NotSignedIn()), a_scope(kind="websocket"))
    assert answer.messages == [
        {"type": "websocket.close", "code": 4401, "reason": NotSignedIn.title}
    ]


async def test_an_answer_that_has_begun_is_not_mended() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise NotFound

    with pytest.raises(NotFound):
        await ask(Problems(app), a_scope())
