"""Events over HTTP: who may send, read and delete, and what they are told."""

import gzip
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.analytics.homes import NOON, Clock, body, home, sent, stored
from tests.http.scopes import Answer, a_scope, ask

from roost.analytics.events import Batch
from roost.analytics.queries import EventQueries
from roost.analytics.questions import Answer as Told
from roost.analytics.questions import Question
from roost.analytics.store import EventStore, Forgotten, Taken
from roost.errors import RoostError, Unavailable
from roost.http.call import Call, Receive, Scope, Send
from roost.http.event_query import WHERE_MAX
from roost.http.events import BodyLimits, Events
from roost.http.problems import Problems
from roost.http.routes import Endpoint, Match
from roost.model import IngestGrant, Principal, Proof, Role, Slug, Tenant, TenantId

ACME = Tenant(TenantId("t_acme"), Slug("acme"), "Acme")
SERVER = Principal(ACME, "k_1", None, Proof.KEY, "k_1", 4e9, ingest=IngestGrant())
READ_KEY = Principal(ACME, "k_2", Role.VIEWER, Proof.KEY, "k_2", 4e9)
ANN = Principal(ACME, "subject-of-ann", Role.END_USER, Proof.NEXTAUTH, "s", 4e9, user_id="ann")
VIEWER = replace(ANN, role=Role.VIEWER)
ADMIN = replace(ANN, role=Role.ADMIN)


@dataclass
class Roost:
    """The endpoint behind Problems, before a real home; its calls cross the keeper's socket as
    JSON does."""

    store: EventStore
    principal: Principal = SERVER
    fault: RoostError | None = None

    async def principal_of(self, call: Call, slug: Slug | None) -> Principal:
        return self.principal

    async def add(self, tenant: TenantId, batch: Batch) -> Taken:
        assert tenant == ACME.id
        if self.fault is not None:
            raise self.fault
        crossed = msgspec.json.decode(msgspec.json.encode(batch), type=Batch)
        return await self.store.add(crossed)

    async def ask(self, tenant: TenantId, asked: Question) -> Told:
        crossed = msgspec.json.decode(msgspec.json.encode(asked), type=Question)
        told = await EventQueries(self.store.engine).ask(crossed)
        answer: Told = msgspec.json.decode(msgspec.json.encode(told), type=Told)
        return answer

    async def forget(self, tenant: TenantId, person: str) -> Forgotten:
        return await self.store.forget(person)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        events = Events(
            self.principal_of,
            self.add,
            self.ask,
            self.forget,
            Clock(),
            sizes=BodyLimits(20_000, 100_000),
        )
        segments = tuple(filter(None, scope["path"].split("/")))
        query = scope["query_string"].decode()
        headers = tuple(scope["headers"])
        call = Call(scope["method"], "", segments, False, query, headers, "", receive, send, scope)
        answers = {"POST": events.take, "GET": events.read, "DELETE": events.erase}
        await answers[scope["method"]](call, Match(Endpoint.INGEST, None, segments))

    async def post(self, content: bytes, **headers: str) -> Answer:
        named = {"content-type": "application/json"}
        named |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await ask(Problems(self), a_scope("POST", "/api/events", named), content)

    async def get(self, path: str, query: str = "") -> Any:
        answer = await ask(Problems(self), a_scope("GET", f"/api/events/{path}", query=query))
        return answer.status, json.loads(answer.body)

    async def delete(self, user: str, query: str = "") -> Answer:
        path = f"/api/events/users/{user}"
        return await ask(Problems(self), a_scope("DELETE", path, query=query))

    async def written_as(self) -> set[str]:
        return set((await stored(self.store.engine)).values())


@pytest_asyncio.fixture
async def roost() -> AsyncIterator[Roost]:
    async with home() as store:
        yield Roost(store)


def detail(answer: Answer) -> str:
    return str(json.loads(answer.body)["detail"])


async def test_every_event_of_a_batch_is_answered(roost: Roost) -> None:
    good, bad = sent(), sent(colour="red")
    answer = await roost.post(body(good, good, bad))
    assert answer.status == 202
    told = json.loads(answer.body)
    assert (told["accepted"], told["duplicate"]) == ([good["id"]], [good["id"]])
    ((index, event_id, reason),) = [tuple(one.values()) for one in told["rejected"]]
    assert (index, event_id) == (2, bad["id"])
    assert "colour" in reason


async def test_a_packed_batch_is_unpacked(roost: Roost) -> None:
    answer = await roost.post(gzip.compress(body(sent())), content_encoding="gzip")
    assert answer.status == 202


@pytest.mark.parametrize(
    ("content", "headers", "status", "says"),
    [
        (b"{", {}, 400, "not a batch"),
        (body(sent("")), {}, 400, "name must be"),
        (b"x" * 20_001, {}, 413, "20000 bytes"),
        (gzip.compress(b" " * 100_001), {"content_encoding": "gzip"}, 413, "100000 bytes"),
        (body(sent()), {"content_encoding": "gzip"}, 400, "not gzip"),
        (body(sent()), {"content_encoding": "br"}, 415, "'br'"),
        (body(sent()), {"content_type": "text/plain"}, 415, "application/json"),
    ],
    ids=["no JSON", "nothing usable", "large", "bomb", "not gzip", "brotli", "text"],
)
async def test_what_cannot_be_used_is_a_problem_that_says_why(
    roost: Roost, content: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    answer = await roost.post(content, **headers)
    assert answer.status == status
    assert says in detail(answer)
    assert await roost.written_as() == set()


@pytest.mark.parametrize("status", [429, 503])
async def test_what_cannot_be_stored_now_is_sent_again_later(roost: Roost, status: int) -> None:
    roost.fault = Unavailable("later", status=status, retry_after_s=7)
    answer = await roost.post(body(sent()))
    assert (answer.status, answer.headers["retry-after"]) == (status, "7")


async def test_a_key_for_ingest_speaks_for_whom_it_says(roost: Roost) -> None:
    await roost.post(body(sent(user="ann"), sent(user="bob")))
    assert await roost.written_as() == {"u:ann", "u:bob"}


@pytest.mark.parametrize("principal", [ANN, VIEWER, ADMIN], ids=["end user", "viewer", "admin"])
async def test_a_person_writes_as_themselves_alone(roost: Roost, principal: Principal) -> None:
    roost.principal = principal
    answer = await roost.post(body(sent(user=None), sent(user="bob"), sent(user="ann")))
    told = json.loads(answer.body)
    assert (len(told["accepted"]), len(told["rejected"])) == (2, 1)
    assert await roost.written_as() == {"u:ann"}


async def test_a_person_whose_user_id_is_unknown_is_their_subject(roost: Roost) -> None:
    roost.principal = replace(ANN, user_id="")
    await roost.post(body(sent(user=None)))
    assert await roost.written_as() == {"u:subject-of-ann"}


async def test_a_key_that_may_only_read_sends_nothing(roost: Roost) -> None:
    roost.principal = READ_KEY
    answer = await roost.post(body(sent()))
    assert answer.status == 403
    assert "`ingest`" in detail(answer)


@pytest.mark.parametrize(
    ("principal", "status"),
    [(SERVER, 403), (ANN, 403), (VIEWER, 200), (ADMIN, 200), (READ_KEY, 200)],
    ids=["ingest key", "end user", "viewer", "admin", "read key"],
)
@pytest.mark.parametrize("kind", ["series", "names", "users", "breakdown"])
async def test_viewers_and_above_read(
    roost: Roost, kind: str, principal: Principal, status: int
) -> None:
    roost.principal = principal
    query = "by=user" if kind == "breakdown" else ""
    assert (await roost.get(kind, query))[0] == status


@pytest.mark.parametrize(
    ("principal", "status"),
    [(SERVER, 403), (ANN, 403), (VIEWER, 403), (READ_KEY, 403), (ADMIN, 200)],
    ids=["ingest key", "end user", "viewer", "read key", "admin"],
)
async def test_an_admin_deletes(roost: Roost, principal: Principal, status: int) -> None:
    await roost.post(body(sent(user="bob"), sent(user="ann")))
    roost.principal = principal
    assert (await roost.delete("bob")).status == status
    assert ("u:bob" in await roost.written_as()) == (status != 200)


async def test_a_deletion_is_audited_without_naming_whom(
    roost: Roost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "roost.audit")
    roost.principal = ADMIN
    await roost.delete("bob")
    (line,) = [json.loads(record.message) for record in caplog.records]
    assert (line["subject"], line["method"]) == ("subject-of-ann", "DELETE")
    assert "bob" not in json.dumps(line)


async def test_an_anonymous_id_is_deleted_as_one(roost: Roost) -> None:
    await roost.post(body(sent(anonymous_id="anon-12345"), sent(user="anon-12345")))
    roost.principal = ADMIN
    assert json.loads((await roost.delete("anon-12345", "anonymous=true")).body) == {"events": 1}
    assert await roost.written_as() == {"u:anon-12345"}
    assert (await roost.delete("anon-12345", "anonymus=true")).status == 400


async def test_a_series_is_asked_by_its_query(roost: Roost) -> None:
    await roost.post(
        body(
            sent(properties={"plan": "pro"}),
            sent(properties={"plan": "free"}),
            sent(user="bob", properties={"plan": "pro"}),
        )
    )
    roost.principal = VIEWER
    query = "since=2027-01-15&until=2027-01-16&step=hour&measure=users&where=plan%3Dpro"
    status, told = await roost.get("series", query)
    assert status == 200
    assert (told["step"], told["measure"], len(told["points"])) == ("hour", "users", 24)
    assert [point for point in told["points"] if point["value"]] == [{"at": int(NOON), "value": 2}]


async def test_a_breakdown_is_asked_by_its_query(roost: Roost) -> None:
    await roost.post(body(sent(properties={"plan": "pro"}), sent(properties={"plan": "free"})))
    roost.principal = VIEWER
    status, told = await roost.get("breakdown", "by=property:plan&top=1&until=1800100000")
    assert status == 200
    assert [part["value"] for part in told["parts"]] == ["free"]
    assert told["other"] == {"count": 1, "users": 1, "values": 1}


@pytest.mark.parametrize(
    ("path", "query", "status", "says"),
    [
        ("everything", "", 404, ""),
        ("series", "sinse=2027-01-01", 400, "'sinse'"),
        ("series", "since=2027-01-01&since=2026-01-01", 400, "more than once"),
        ("series", "since=yesterday", 400, "`since`"),
        ("series", "step=minute", 400, "hour, day, week, month"),
        ("series", "measure=sum", 400, "count, users"),
        ("series", "where=plan", 400, "`where`"),
        ("series", "where=a%22b=1", 400, "`where`"),
        ("series", "&".join(["where=a=1"] * (WHERE_MAX + 1)), 400, "8 times"),
        ("series", "since=2027-01-02&until=2027-01-01", 400, "before"),
        ("series", "since=0&step=hour", 400, "points"),
        ("breakdown", "", 400, "`by` is missing"),
        ("breakdown", "by=colour", 400, "`by` is"),
        ("breakdown", "by=user&top=1000", 400, "`top`"),
        ("breakdown", "by=user&top=-1", 400, "`top`"),
        ("users", "user=ann", 400, "'user'"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_a_question_that_is_not_in_order_is_told_why(
    roost: Roost, path: str, query: str, status: int, says: str
) -> None:
    roost.principal = VIEWER
    found, told = await roost.get(path, query)
    assert found == status
    assert says in told["detail"]
