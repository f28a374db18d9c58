"""What happens in a tenant, on the screens of those who watch: through a whole Roost."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.faults.small import small_roost
from tests.installation import Installation
from websockets.sync.client import connect

STREAM = {"accept": "text/event-stream"}


@pytest.fixture(scope="module")
def roost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with small_roost(tmp_path_factory.mktemp("live")) as one:
        one.tenant("acme")
        one.tenant("globex")
        yield one


@pytest.fixture(scope="module")
def keys(roost: Installation) -> dict[str, str]:
    return {slug: roost.key(slug, "read", "ingest") for slug in ("acme", "globex")}


def send(roost: Installation, key: str, user: str | None = None, trace: str = "") -> str:
    """One span of a trace, of that user; the trace's id."""
    trace = trace or secrets.token_hex(16)
    attributes = [{"key": "user.id", "value": {"stringValue": user}}] if user else []
    span = {
        "traceId": trace,
        "spanId": secrets.token_hex(8),
        "name": "seen at once",
        "startTimeUnixNano": "1790000000000000000",
        "endTimeUnixNano": "1790000001000000000",
        "attributes": attributes,
    }
    batch = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    with roost.client(key) as client:
        assert client.post("/v1/traces", json=batch).status_code == 200
    return trace


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The data of each event but heartbeats, as they come."""
    for line in answer.iter_lines():
        if line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
            if data["type"] != "heartbeat":
                yield data


def names(told: dict[str, Any], trace: str) -> bool:
    return bool(told.get("trace", {}).get("trace_id") == trace)


def begin(client: httpx.Client, path: str) -> Any:
    return client.stream("GET", path, headers=STREAM, timeout=10)


def test_a_trace_is_on_the_stream_as_soon_as_it_is_taken(
    roost: Installation, keys: dict[str, str]
) -> None:
    with roost.client(keys["acme"]) as client, begin(client, "/live") as answer:
        assert answer.headers["cache-control"] == "private, no-store, no-transform"
        seen = events(answer)
        assert next(seen)["type"] == "hello"
        trace = send(roost, keys["acme"])
        told = next(seen)
    assert (told["type"], told["trace"]["trace_id"]) == ("upsert", trace)
    assert (told["trace"]["name"], told["trace"]["stored"]) == ("seen at once", "pending")


def test_another_tenant_is_told_nothing(roost: Installation, keys: dict[str, str]) -> None:
    with roost.client(keys["globex"]) as client, begin(client, "/live") as answer:
        seen = events(answer)
        assert next(seen)["type"] == "hello"
        send(roost, keys["acme"])
        own = send(roost, keys["globex"])
        assert next(seen)["trace"]["trace_id"] == own


def test_an_end_user_sees_their_own_until_it_is_another_s_too(
    roost: Installation, keys: dict[str, str]
) -> None:
    cookies = roost.cookie("Ann", "acme", "end_user")
    with roost.client(cookies) as client, begin(client, "/t/acme/live") as answer:
        seen = events(answer)
        assert next(seen)["type"] == "hello"
        send(roost, keys["acme"], "user-bob")
        own = send(roost, keys["acme"], "user-ann")
        told = next(seen)
        assert (told["type"], told["trace"]["trace_id"]) == ("upsert", own)
        send(roost, keys["acme"], "user-bob", own)
        told = next(seen)
    assert (told["type"], told["trace_id"]) == ("remove", own)


def test_who_comes_back_is_told_what_they_missed(roost: Installation, keys: dict[str, str]) -> None:
    with roost.client(keys["acme"]) as client:
        with begin(client, "/live") as answer:
            seen = events(answer)
            next(seen)
            send(roost, keys["acme"])
            last = next(seen)["id"]
        missed = send(roost, keys["acme"])
        headers = {**STREAM, "last-event-id": last}
        with client.stream("GET", "/live", headers=headers, timeout=10) as answer:
            told = next(one for one in events(answer) if names(one, missed))
    assert told["type"] == "upsert"


def test_a_socket_is_told_the_same(roost: Installation, keys: dict[str, str]) -> None:
    url = f"{roost.base}/live".replace("http:", "ws:")
    with connect(url, additional_headers={"authorization": f"Bearer {keys['acme']}"}) as socket:
        assert json.loads(socket.recv(10))["type"] == "hello"
        trace = send(roost, keys["acme"])
        told = json.loads(socket.recv(10))
    assert told["trace"]["trace_id"] == trace


def test_a_revoked_key_s_stream_ends(roost: Installation) -> None:
    made = json.loads(roost.cli("keys", "create", "--tenant", "acme", "--scope", "read", "--json"))
    with roost.client(made["key"]) as client, begin(client, "/live") as answer:
        seen = events(answer)
        assert next(seen)["type"] == "hello"
        roost.cli("keys", "revoke", made["id"], "--tenant", "acme")
        assert [one["type"] for one in seen] == ["expired"]


@pytest.mark.parametrize("name", ["live.js", "track.js"])
def test_the_scripts_are_public(roost: Installation, name: str) -> None:
    with roost.client() as client:
        answer = client.get(f"/embed/{name}")
        again = client.get(f"/embed/{name}", headers={"if-none-match": answer.headers["etag"]})
    assert (answer.status_code, again.status_code) == (200, 304)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "export function" in answer.text


@pytest.mark.parametrize("name", ["", "no.js", "../gateway.py", "live.js/more"])
def test_nothing_else_is_embedded(roost: Installation, name: str) -> None:
    with roost.client() as client:
        assert client.get(f"/embed/{name}").status_code in (400, 404)


def test_events_are_taken_and_counted_in_their_own_tenant(
    roost: Installation, keys: dict[str, str]
) -> None:
    event = {"id": "0198b7a0-0000-7000-8000-000000000001", "name": "report opened", "user": "u1"}
    with roost.client(keys["acme"]) as client:
        taken = client.post("/api/events", json={"events": [event]})
        assert taken.status_code == 202, taken.text
        mine = client.get("/api/events/names").text
    with roost.client(keys["globex"]) as client:
        theirs = client.get("/api/events/names").text
    assert ("report opened" in mine, "report opened" in theirs) == (True, False)
