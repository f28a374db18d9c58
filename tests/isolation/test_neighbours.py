"""Ann in her own tenant, with ids and names that only globex has: there is nothing behind them.

In this order: what the last tests send makes acme keep things under globex's names, as it may.
"""

import httpx
import pytest
from graphql import OperationType
from tests.installation import Installation
from tests.isolation.canary import marks_in
from tests.isolation.neighbours import ACME, GLOBEX, OURS, THEIRS, Neighbours, answers, neighbours
from tests.isolation.rest import questions
from tests.isolation.rows import Rows, all_rows, data_of
from tests.phoenix_surface import Surface

NOBODY = "nobody-home"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]


@pytest.fixture(scope="module")
def both(roost: Installation, surface: Surface) -> Neighbours:
    return neighbours(roost, surface)


def shown(answer: httpx.Response) -> Answer:
    return answer.status_code, answer.headers.raw, answer.content


def nobody_s(client: httpx.Client) -> Answer:
    """What a tenant that does not exist answers: one thing, whatever is asked."""
    first, *others = [shown(client.request(how, f"/t/{NOBODY}/v1/projects")) for how in METHODS]
    assert first[0] == 404
    assert others == [first] * len(others)
    return first


def lost(before: Rows, after: Rows) -> dict[str, list[tuple[object, ...]]]:
    """The rows that are gone or not what they were."""
    gone = {table: sorted(rows - after[table], key=repr) for table, rows in before.items()}
    return {table: rows for table, rows in gone.items() if rows}


def test_each_tenant_keeps_something_of_every_kind(both: Neighbours) -> None:
    for home, owner, other in ((both.acme, OURS, THEIRS), (both.globex, THEIRS, OURS)):
        rows = repr(all_rows(home)).encode()
        assert len(marks_in(rows, owner)) > 70
        assert marks_in(rows, other) == set()


def test_answers_are_the_same_with_and_without_the_other_s_data(
    both: Neighbours, surface: Surface
) -> None:
    """Counts and cursors included: every REST read and every query of the UI, byte for byte."""
    with both.ann() as ann:
        now = answers(ann, both.document, surface, both.ours)
    assert len(now) > 300
    changed = {ask: (text, now[ask]) for ask, text in both.before.items() if now[ask] != text}
    assert changed == {}
    assert all(marks_in(text, THEIRS) == set() for text in now.values())
    assert sum(OURS.encode() in text for text in now.values()) > 100


def test_no_query_of_the_ui_tells_of_guessed_ids_or_names(both: Neighbours) -> None:
    asked = 0
    with both.ann() as ann:
        for one in both.asked(OperationType.QUERY):
            assert both.told(one.ask(ann, f"/t/{ACME}"), one.sent) == set(), one
            asked += 1
    assert asked > 200


def test_no_rest_call_tells_of_guessed_ids_or_names_or_changes_anything(both: Neighbours) -> None:
    theirs = all_rows(both.globex)
    with both.ann() as ann:
        for question in both.guesses():
            answer = question.ask(ann, f"/t/{ACME}")
            assert both.told(answer, question.sent) == set(), question
    assert lost(both.kept, data_of(both.acme)) == {}
    assert all_rows(both.globex) == theirs


def test_no_mutation_of_the_ui_reaches_guessed_ids_or_names(both: Neighbours) -> None:
    theirs = all_rows(both.globex)
    with both.ann() as ann:
        for one in both.asked(OperationType.MUTATION):
            assert both.told(one.ask(ann, f"/t/{ACME}"), one.sent) == set(), one
    assert lost(both.kept, data_of(both.acme)) == {}
    assert all_rows(both.globex) == theirs


@pytest.mark.parametrize(
    "scope", ["", "ingest", "read", "write", "admin"], ids=lambda s: s or "session"
)
def test_the_other_s_own_urls_are_those_of_nobody(both: Neighbours, scope: str) -> None:
    """Every operation with real ids, by a session or a key: 404, the very bytes that a tenant
    which does not exist gives, and not a row is changed."""
    theirs, roost = all_rows(both.globex), both.roost
    proof = roost.key(ACME, scope) if scope else roost.cookie("Ann", ACME)
    with roost.client(proof) as client:
        nobody = nobody_s(client)
        for prefix in ("/t/", "/ui/"):
            for question in questions(both.document, both.theirs):
                assert shown(question.ask(client, prefix + GLOBEX)) == nobody, question
    assert all_rows(both.globex) == theirs


@pytest.mark.parametrize(
    "path",
    ["", "/", "/projects", "/settings/general", "/login", "/assets/index-AAAAAAAA.js", "/graphql"],
)
def test_the_other_s_pages_are_those_of_nobody(both: Neighbours, path: str) -> None:
    pages = {"accept": "text/html", "sec-fetch-dest": "iframe"}
    with both.ann() as ann:
        for prefix in ("/ui/", "/app/", "/t/"):
            there = ann.get(f"{prefix}{GLOBEX}{path}", headers=pages)
            nowhere = ann.get(f"{prefix}{NOBODY}{path}", headers=pages)
            assert shown(there) == shown(nowhere)
            assert there.status_code == 404


def test_the_other_s_graphql_is_that_of_nobody(both: Neighbours) -> None:
    with both.ann() as ann:
        nobody = nobody_s(ann)
        for kind in (OperationType.QUERY, OperationType.MUTATION):
            for one in both.asked(kind):
                assert shown(one.ask(ann, f"/t/{GLOBEX}")) == nobody, one
