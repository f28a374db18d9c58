"""Who gets a pass, who hears what, and what the log says of it."""

import ast
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from roost.errors import NotAllowed, NotFound
from roost.http.gate import ONLY_SPANS, Forward, admit
from roost.model import CellRoute, Principal, Proof, Role, Slug, Tenant, TenantId
from roost.policy.decision import Allow, Decision, Refuse, Treatment

ANN = Principal(
    tenant=Tenant(TenantId("t-acme"), Slug("acme"), "Acme"),
    subject="ann",
    role=Role.MEMBER,
    proof=Proof.NEXTAUTH,
    proof_id="session-1",
    valid_until=4e9,
    email="ann@acme.example",
)
FORWARD = Forward(
    method="POST",
    path="/v1/projects/secret-plan",
    query="token=hidden",
    headers=((b"cookie", b"hidden"),),
    mount="/api/phoenix/t/acme",
    template="/v1/projects/{project}",
)
READ = Allow(Treatment.PRIVATE, Role.VIEWER)
WRITE = Allow(Treatment.PRIVATE, Role.MEMBER, changes=True)
ADMIN = Allow(Treatment.PRIVATE, Role.ADMIN)


async def route() -> CellRoute:
    return CellRoute("http://127.0.0.1:6006", "instance-1", "token", 4e9)


async def asleep() -> CellRoute:
    raise AssertionError("a refused call has woken a cell")


async def test_a_pass_carries_what_was_judged() -> None:
    admitted = await admit(WRITE, ANN, FORWARD, route)
    assert (admitted.allow, admitted.principal) == (WRITE, ANN)
    assert (admitted.method, admitted.path, admitted.query) == (
        FORWARD.method,
        FORWARD.path,
        FORWARD.query,
    )
    assert admitted.route.instance == "instance-1"


@pytest.mark.parametrize(
    ("decision", "role", "error"),
    [
        (Refuse("no row names it"), Role.ADMIN, NotFound),
        (Refuse("users are Roost's", pointer="Use `roost keys`."), Role.ADMIN, NotAllowed),
        (Refuse("users are Roost's", pointer="Use `roost keys`."), None, NotAllowed),
        (ADMIN, Role.MEMBER, NotAllowed),
        (WRITE, Role.VIEWER, NotAllowed),
        (READ, Role.END_USER, NotAllowed),
        (READ, None, NotAllowed),
    ],
    ids=[
        "no row",
        "refused with a pointer",
        "an ingest key is told its scope first",
        "admin needed",
        "member needed",
        "end users see no raw Phoenix",
        "an ingest key reads nothing",
    ],
)
async def test_a_refused_call_gets_no_pass_and_wakes_no_cell(
    decision: Decision, role: Role | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await admit(decision, replace(ANN, role=role), FORWARD, asleep)


async def test_a_refusal_shows_its_pointer_and_not_its_reason() -> None:
    with pytest.raises(NotAllowed) as refused:
        await admit(Refuse("inside", pointer="Use `roost keys`."), ANN, FORWARD, asleep)
    assert (refused.value.message, refused.value.reason) == ("Use `roost keys`.", "inside")


@pytest.mark.parametrize(
    ("proof", "role", "said"),
    [
        (Proof.NEXTAUTH, Role.VIEWER, "This needs the role member; yours is viewer."),
        (Proof.KEY, Role.VIEWER, "This needs a key with the scope `write`; this one may not."),
        (Proof.KEY, None, ONLY_SPANS),
    ],
    ids=["a person", "a key", "an ingest key"],
)
async def test_who_may_too_little_hears_what_is_missing(
    proof: Proof, role: Role | None, said: str
) -> None:
    with pytest.raises(NotAllowed) as refused:
        await admit(WRITE, replace(ANN, proof=proof, role=role), FORWARD, asleep)
    assert refused.value.message == said


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ADMIN])
async def test_a_higher_role_may_what_a_lower_one_may(role: Role) -> None:
    admitted = await admit(WRITE, replace(ANN, role=role), FORWARD, route)
    assert admitted.allow is WRITE


async def test_the_audit_line_says_who_did_what_and_holds_no_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "roost.audit")
    await admit(WRITE, ANN, FORWARD, route)
    (record,) = caplog.records
    assert json.loads(record.getMessage()) == {
        "verdict": "allowed",
        "tenant": "t-acme",
        "subject": "ann",
        "proof": "nextauth",
        "proof_id": "session-1",
        "role": "member",
        "method": "POST",
        "path": "/v1/projects/{project}",
        "reason": "",
    }


async def test_reading_is_audited_only_where_somebody_wants_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "roost.audit")
    await admit(READ, ANN, FORWARD, route)
    assert not caplog.records
    caplog.set_level(logging.DEBUG, "roost.audit")
    await admit(READ, ANN, FORWARD, route)
    assert len(caplog.records) == 1


async def test_a_name_cannot_forge_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "roost.audit")
    await admit(WRITE, replace(ANN, subject='ann\n{"verdict": "allowed"}'), FORWARD, route)
    assert "\n" not in caplog.records[0].getMessage()


def test_only_the_gate_makes_a_pass() -> None:
    source = Path(__file__).parents[2] / "src" / "roost"
    makers = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _name(node.func) == "Admitted"
    }
    assert makers == {"http/gate.py"}


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
