from typing import Any

import pytest
from tests.cells.signed_cell import KEY, principal

from roost.cells.people import cell_user, every_role_of, name_for, service_user
from roost.model import Proof, Role


def test_a_subject_has_one_role() -> None:
    users = every_role_of(KEY, principal("Ann"))
    assert [user.phoenix_role for user in users] == ["VIEWER", "MEMBER", "ADMIN"]
    assert [user.name for user in users] == ["Ann (viewer)", "Ann (member)", "Ann (admin)"]
    assert len({user.sub for user in users}) == 3
    assert {user.email for user in users} == {f"{user.sub}@roost.invalid" for user in users}


def test_a_subject_stays_when_name_and_address_change() -> None:
    before = cell_user(KEY, principal("Ann"))
    after = cell_user(KEY, principal("Ann", name="Anna", email="anna@example.com"))
    assert before is not None
    assert after is not None
    assert before.sub == after.sub


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"subject": "bob"}, id="subject"),
        pytest.param({"issuer": "https://other.example.com"}, id="issuer"),
        pytest.param(
            {"issuer": "https://app.example.coma", "subject": "nn"}, id="a shifted border"
        ),
        pytest.param({"proof": Proof.KEY}, id="a key"),
    ],
)
def test_another_person_is_another_subject(change: dict[str, Any]) -> None:
    ann, other = cell_user(KEY, principal("Ann")), cell_user(KEY, principal("Ann", **change))
    assert ann is not None
    assert other is not None
    assert ann.sub != other.sub


def test_another_installation_gives_other_subjects() -> None:
    assert service_user(KEY).sub != service_user(b"another").sub


def test_a_key_is_its_own_subject() -> None:
    key = cell_user(KEY, principal("ci", Role.MEMBER, Proof.KEY))
    again = cell_user(KEY, principal("ci", Role.MEMBER, Proof.KEY, subject="its maker"))
    assert key is not None
    assert key == again
    assert key.name == "ci (key)"


@pytest.mark.parametrize("role", [None, Role.END_USER], ids=["ingest only", "end user"])
def test_who_may_not_enter_phoenix_is_nobody_there(role: Role | None) -> None:
    assert cell_user(KEY, principal("Ann", role)) is None


@pytest.mark.parametrize(
    ("name", "email", "shown"),
    [
        ("", "ann@example.com", "ann (viewer)"),
        ("", "", "Somebody (viewer)"),
        ("  Ann\n\tLee ", "", "Ann Lee (viewer)"),
        ("Ann\u202egnp", "", "Ann gnp (viewer)"),
        ("x" * 500, "", "x" * 80 + " (viewer)"),
    ],
    ids=["from the address", "nameless", "spaces", "bidi override", "too long"],
)
def test_a_name_is_one_visible_line(name: str, email: str, shown: str) -> None:
    found = cell_user(KEY, principal("Ann", name=name, email=email))
    assert found is not None
    assert found.name == shown


def test_a_namesake_gets_a_short_hash() -> None:
    ann = cell_user(KEY, principal("Ann"))
    other = cell_user(KEY, principal("Ann", subject="another ann"))
    assert ann is not None
    assert other is not None
    taken = {ann.name: ann.email}
    assert name_for(ann, taken) == "Ann (viewer)"
    assert name_for(other, taken) == f"Ann (viewer, {other.sub[:6]})"
