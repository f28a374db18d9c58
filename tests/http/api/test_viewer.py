"""Whose eyes: decided by the role, and by nothing that the caller says."""

from dataclasses import replace

import pytest

from roost.errors import NotAllowed
from roost.http.api.viewer import opened_by, viewer_of
from roost.http.api_messages import Ask, Field, Own, Projects, Whole, decode, encode
from roost.index.viewer import EVERYTHING, OwnTraces
from roost.model import Principal, Proof, Role, Slug, Tenant, TenantId

ACME = Tenant(TenantId("t-acme"), Slug("acme"), "Acme")
ANN = Principal(ACME, "subject", Role.END_USER, Proof.HOST, "p", 4e9, user_id="ann")
NOTHING = frozenset[Field]()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER, Role.ADMIN])
def test_viewers_and_up_see_everything(role: Role) -> None:
    sight = viewer_of(replace(ANN, role=role), NOTHING)
    assert (sight, sight.viewer) == (Whole(), EVERYTHING)


def test_an_end_user_sees_their_own() -> None:
    sight = viewer_of(ANN, frozenset({Field.TOOLS}))
    assert sight == Own("ann", "subject", frozenset({Field.TOOLS}))
    assert sight.viewer == OwnTraces("ann")


@pytest.mark.parametrize("principal", [replace(ANN, role=None), replace(ANN, user_id="")])
def test_whoever_is_neither_sees_nothing(principal: Principal) -> None:
    with pytest.raises(NotAllowed):
        viewer_of(principal, NOTHING)


@pytest.mark.parametrize(
    "sight", [Whole(), Own("ann", "s", frozenset(Field))], ids=["whole", "own"]
)
def test_a_question_says_whose_eyes_it_is_for(sight: Whole | Own) -> None:
    ask = Ask(ACME.id, sight, Projects(), [], gzip=False)
    assert decode(encode(ask)) == ask
    assert Ask.__struct_defaults__ == ()


def test_the_first_pattern_that_fits_a_tenant_counts() -> None:
    opened = opened_by({"acme-*": "tools", "*": "annotations + metadata"})
    assert opened(Slug("acme-1")) == {Field.TOOLS}
    assert opened(Slug("globex")) == {Field.ANNOTATIONS, Field.METADATA}
    assert opened_by({})(Slug("acme")) == NOTHING


def test_a_field_that_there_is_not_is_named() -> None:
    with pytest.raises(ValueError, match="secrets: end users may be shown system_prompts, tools"):
        opened_by({"*": "tools+secrets"})
