import pytest

from roost.errors import NotSignedIn
from roost.identity.order import choose
from roost.model import Identity, Proof

ANN = Identity("ann-1", Proof.NEXTAUTH, "session-1", 0, issuer="host")
ANN_BY_TOKEN = Identity("ann-1", Proof.HOST, "token-1", 0, issuer="host")
BOB = Identity("bob-1", Proof.NEXTAUTH, "session-2", 0, issuer="host")
KEY = Identity("key:k1", Proof.KEY, "k1", 0, issuer="roost")
OTHER_ANN = Identity("ann-1", Proof.HOST, "token-2", 0, issuer="elsewhere")


def test_no_proof_is_nobody() -> None:
    assert choose([None, None]) is None


def test_the_first_proof_counts() -> None:
    assert choose([None, ANN_BY_TOKEN, ANN]) is ANN_BY_TOKEN


@pytest.mark.parametrize(
    "found",
    [[KEY, ANN], [ANN, BOB], [ANN, OTHER_ANN], [ANN, ANN_BY_TOKEN, KEY]],
    ids=["key and session", "two sessions", "one subject, two issuers", "the third differs"],
)
def test_proofs_of_different_people_are_refused(found: list[Identity]) -> None:
    with pytest.raises(NotSignedIn) as refused:
        choose(found)
    assert "different people" in refused.value.message
    assert not any(one.subject in refused.value.message for one in found)
