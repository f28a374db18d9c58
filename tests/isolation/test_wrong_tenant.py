"""Somebody of acme in front of globex: nothing is there, whatever is asked and however."""

import httpx
import pytest
from tests.installation import Installation
from tests.isolation.conftest import Both, asked_before
from tests.isolation.questions import answers_of, graphql_questions, rest_paths
from tests.phoenix_surface import Surface

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def proofs(roost: Installation) -> dict[str, httpx.Client]:
    return {
        "Ann's session": roost.client(roost.cookie("Ann", "acme")),
        "a read key": roost.client(roost.key("acme", "read")),
        "an admin key": roost.client(roost.key("acme", "admin", "ingest")),
    }


def shown(answer: httpx.Response) -> tuple[int, dict[str, str], str]:
    return answer.status_code, dict(answer.headers), answer.text


@pytest.mark.parametrize("prefix", ["/t/{tenant}", "/ui/{tenant}"])
def test_another_tenant_looks_like_none(
    roost: Installation, surface: Surface, both: Both, prefix: str
) -> None:
    """Each REST operation: the very answer that a tenant which does not exist gives."""
    ours, theirs, nowhere = (prefix.format(tenant=slug) for slug in ("acme", "globex", "nobody"))
    asked = 0
    for client in proofs(roost).values():
        with client:
            for method in METHODS:
                for path in rest_paths(surface, method, (both.globex.ids[0],)):
                    there = shown(client.request(method, theirs + path))
                    assert there == shown(client.request(method, nowhere + path)), (method, path)
                    assert there[0] == 404, (method, path)
                    asked += 1
            assert client.get(ours + "/v1/projects").status_code == 200
    assert asked > 300


def test_the_ui_s_own_queries_find_no_other_tenant(
    roost: Installation, surface: Surface, both: Both
) -> None:
    with roost.client(roost.cookie("Ann", "acme")) as client:
        for title, body in graphql_questions(surface, (both.globex.ids[0],)):
            for prefix in ("/t", "/ui"):
                there = client.post(f"{prefix}/globex/graphql", json=body)
                nowhere = client.post(f"{prefix}/nobody/graphql", json=body)
                assert shown(there) == shown(nowhere), title
                assert there.status_code == 404, title


def test_guessed_names_are_answered_as_unknown_ones(
    roost: Installation, surface: Surface, both: Both
) -> None:
    theirs, unknown = both.globex.canary, "canary-of-nobody"
    guessed = answers_of(roost, surface, both.acme, [theirs])
    nothing = answers_of(roost, surface, both.acme, [unknown])
    for asked, text in nothing.items():
        assert guessed[asked.replace(unknown, theirs)].replace(theirs, unknown) == text, asked


def test_ids_that_both_have_give_one_s_own(
    roost: Installation, surface: Surface, both: Both
) -> None:
    """Relay, trace and session ids are the same in both cells; answers are also the same as they
    were while the other tenant had nothing, counts and cursors included."""
    shared = [one for one in both.globex.guesses if one in both.acme.guesses]
    assert len(shared) >= 6
    now = answers_of(roost, surface, both.acme, asked_before(both.acme))
    changed = {ask: (text, now[ask]) for ask, text in both.before.items() if now[ask] != text}
    assert changed == {}
    assert not any(both.globex.canary in text for text in now.values())
    assert any(both.acme.canary in text for text in now.values())


def test_the_other_tenant_has_what_it_stored(roost: Installation, both: Both) -> None:
    with roost.client(roost.cookie("Bob", "globex")) as client:
        spans = client.get(f"/t/globex/v1/projects/{both.globex.canary}/spans").text
    assert both.globex.canary in spans
    assert both.acme.canary not in spans
