import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import msgspec
import pytest
from aiohttp import ClientSession, web
from tests.cells.signed_cell import KEY, Clock, SignedCell, principal, user

from roost.cells.client import CellClient, open_session
from roost.cells.codes import Challenge
from roost.cells.people import CellUser, cell_user
from roost.cells.sign_in import SignIn
from roost.errors import Unavailable
from roost.model import Proof, Role

WHO = "{ viewer { id username email role { name } } }"
NEW_SYSTEM_KEY = 'mutation { createSystemApiKey(input: {name: "k"}) { jwt } }'


@pytest.fixture
async def browser() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def ask(
    session: ClientSession, cell: SignedCell, token: str, query: str
) -> dict[str, object]:
    """GraphQL as the holder of `token`: the whole answer."""
    async with session.post(
        f"{cell.cell.url}/graphql",
        json={"query": query},
        headers={"Authorization": f"Bearer {token}"},
    ) as answer:
        return msgspec.json.decode(await answer.read(), type=dict[str, object])


async def who_is(session: ClientSession, cell: SignedCell, token: str) -> tuple[str, str, str]:
    """Name, address and role that Phoenix sees behind `token`."""
    viewer = (await ask(session, cell, token, WHO))["data"]["viewer"]  # type: ignore[index]
    return viewer["username"], viewer["email"], viewer["role"]["name"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER, Role.ADMIN], ids=lambda r: r.label)
async def test_somebody_is_who_they_are_in_the_role_they_have(
    signed_cell: SignedCell, browser: ClientSession, role: Role
) -> None:
    rose = user("Rose", role)
    async with signed_cell.client() as client:
        token = await signed_cell.sign_in().token(client, rose)
    seen = await who_is(browser, signed_cell, token.value)
    assert seen == (f"Rose ({role.label})", rose.email, role.name)
    assert token.valid_until > signed_cell.clock() + 500


async def test_a_viewer_s_token_stays_a_viewer_s_when_the_same_person_comes_as_admin(
    signed_cell: SignedCell, browser: ClientSession
) -> None:
    sign_in = signed_cell.sign_in()
    async with signed_cell.client() as client:
        viewer = await sign_in.token(client, user("Mia", Role.VIEWER))
        admin = await sign_in.token(client, user("Mia", Role.ADMIN))
    assert "errors" in await ask(browser, signed_cell, viewer.value, NEW_SYSTEM_KEY)
    assert "errors" not in await ask(browser, signed_cell, admin.value, NEW_SYSTEM_KEY)
    assert (await who_is(browser, signed_cell, viewer.value))[2] == "VIEWER"


async def test_forty_first_logins_at_once_are_forty_people(
    signed_cell: SignedCell, browser: ClientSession
) -> None:
    people = [user(f"Guest {number}", Role(1 + number % 3)) for number in range(40)]
    sign_in = signed_cell.sign_in()
    async with signed_cell.client() as client:
        tokens = await asyncio.gather(*(sign_in.token(client, guest) for guest in people))
    seen = [await who_is(browser, signed_cell, token.value) for token in tokens]
    assert seen == [(guest.name, guest.email, guest.phoenix_role) for guest in people]


async def test_namesakes_are_told_apart_and_keep_their_names(
    signed_cell: SignedCell, browser: ClientSession
) -> None:
    first = user("Kim")
    second = cell_user(KEY, principal("Kim", subject="another kim"))
    assert second is not None
    names = []
    for sign_in in (signed_cell.sign_in(), signed_cell.sign_in()):
        async with signed_cell.client() as client:
            for kim in (first, second):
                token = await sign_in.token(client, kim)
                names.append((await who_is(browser, signed_cell, token.value))[0])
    assert names == ["Kim (viewer)", f"Kim (viewer, {second.sub[:6]})"] * 2


async def test_annotations_carry_their_author(
    signed_cell: SignedCell, browser: ClientSession
) -> None:
    ann = user("Ann", Role.MEMBER)
    key = cell_user(KEY, principal("nightly", Role.MEMBER, Proof.KEY))
    assert key is not None
    sign_in = signed_cell.sign_in()
    async with signed_cell.client() as client:
        tokens = {who.name: (await sign_in.token(client, who)).value for who in (ann, key)}
    await send_span(browser, signed_cell, tokens[ann.name])
    for name, token in tokens.items():
        await annotate(browser, signed_cell, token, identifier=name)
    assert await authors(browser, signed_cell, tokens[ann.name]) == {
        "Ann (member)": "Ann (member)",
        "nightly (key)": "nightly (key)",
    }


SPAN_ID = "00f067aa0ba902b7"


async def send_span(session: ClientSession, cell: SignedCell, token: str) -> None:
    span = {
        "name": "answer",
        "context": {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": SPAN_ID},
        "span_kind": "CHAIN",
        "start_time": "2026-01-01T00:00:00Z",
        "end_time": "2026-01-01T00:00:01Z",
        "status_code": "OK",
    }
    async with session.post(
        f"{cell.cell.url}/v1/projects/default/spans",
        json={"data": [span]},
        headers={"Authorization": f"Bearer {token}"},
    ) as answer:
        assert answer.status == 202, await answer.text()


async def annotate(session: ClientSession, cell: SignedCell, token: str, identifier: str) -> None:
    """Wait until the span is stored: until then Phoenix answers 404."""
    annotation = {
        "span_id": SPAN_ID,
        "name": "quality",
        "annotator_kind": "HUMAN",
        "result": {"label": "good"},
        "identifier": identifier,
    }
    async with asyncio.timeout(30):
        while True:
            async with session.post(
                f"{cell.cell.url}/v1/span_annotations?sync=true",
                json={"data": [annotation]},
                headers={"Authorization": f"Bearer {token}"},
            ) as answer:
                if answer.status == 200:
                    return
                assert answer.status == 404, await answer.text()
            await asyncio.sleep(0.1)


async def authors(session: ClientSession, cell: SignedCell, token: str) -> dict[str, str]:
    """Who wrote the annotation of each identifier, as Phoenix shows them."""
    annotations = "spanAnnotations { identifier user { username } }"
    query = f'{{ getSpanByOtelId(spanId: "{SPAN_ID}") {{ {annotations} }} }}'
    data = (await ask(session, cell, token, query))["data"]
    found = data["getSpanByOtelId"]["spanAnnotations"]  # type: ignore[index]
    return {row["identifier"]: row["user"]["username"] for row in found}


async def test_a_login_is_kept_until_shortly_before_it_expires(signed_cell: SignedCell) -> None:
    clock = Clock(signed_cell.clock())
    sign_in = SignIn(signed_cell.codes.mint, clock)
    async with signed_cell.client() as client:
        first = await sign_in.token(client, user("Ann"))
        clock.now = first.valid_until - sign_in.renew_before_s
        assert await sign_in.token(client, user("Ann")) is first
        clock.now += 1
        assert (await sign_in.token(client, user("Ann"))).value != first.value


async def test_whoever_comes_at_once_shares_one_login(signed_cell: SignedCell) -> None:
    sign_in = signed_cell.sign_in()
    async with signed_cell.client() as client:
        tokens = await asyncio.gather(*(sign_in.token(client, user("Ann")) for _ in range(10)))
    assert len({token.value for token in tokens}) == 1


async def test_what_is_forgotten_is_signed_in_anew(signed_cell: SignedCell) -> None:
    sign_in, ann, bob = signed_cell.sign_in(), user("Ann"), user("Bob")
    async with signed_cell.client() as client:
        first = [await sign_in.token(client, who) for who in (ann, bob)]
        sign_in.forget_subject(ann.sub)
        second = [await sign_in.token(client, who) for who in (ann, bob)]
        sign_in.forget(client.instance)
        third = [await sign_in.token(client, who) for who in (ann, bob)]
    assert first[0] != second[0]
    assert first[1] == second[1]
    assert not {*second} & {*third}


async def test_another_instance_has_tokens_of_its_own(signed_cell: SignedCell) -> None:
    sign_in = signed_cell.sign_in()
    async with signed_cell.client("one") as one, signed_cell.client("two") as two:
        assert await sign_in.token(one, user("Ann")) != await sign_in.token(two, user("Ann"))


async def test_memory_is_bounded(signed_cell: SignedCell) -> None:
    sign_in = replace(signed_cell.sign_in(), tokens_max=1)
    async with signed_cell.client() as client:
        first = await sign_in.token(client, user("Ann"))
        await sign_in.token(client, user("Bob"))
        assert await sign_in.token(client, user("Ann")) is not first


async def test_a_code_that_roost_did_not_mint_signs_nobody_in(signed_cell: SignedCell) -> None:
    def forged(_user: CellUser, _challenge: Challenge) -> str:
        return "forged"

    sign_in = SignIn(forged, signed_cell.clock)
    async with signed_cell.client() as client:
        with pytest.raises(Unavailable) as refused:
            await sign_in.token(client, user("Ann"))
    assert refused.value.reason == "the login ended in 307 oauth_error"


async def test_a_code_is_good_for_one_login(signed_cell: SignedCell) -> None:
    minted: list[str] = []

    def mint_once(who: CellUser, challenge: Challenge) -> str:
        minted.append(minted[0] if minted else signed_cell.codes.mint(who, challenge))
        return minted[-1]

    sign_in = SignIn(mint_once, signed_cell.clock)
    async with signed_cell.client() as client:
        await sign_in.token(client, user("Ann"))
        with pytest.raises(Unavailable):
            await sign_in.token(client, user("Bob"))


async def test_a_wrong_nonce_is_refused_by_phoenix(signed_cell: SignedCell) -> None:
    def other_nonce(who: CellUser, challenge: Challenge) -> str:
        return signed_cell.codes.mint(who, replace(challenge, nonce="another"))

    sign_in = SignIn(other_nonce, signed_cell.clock)
    async with signed_cell.client() as client:
        with pytest.raises(Unavailable) as refused:
            await sign_in.token(client, user("Ann"))
    assert refused.value.reason == "the login ended in 307 auth_failed"


@asynccontextmanager
async def silent_cell() -> AsyncIterator[CellClient]:
    """A peer that takes requests and answers none."""
    ended = asyncio.Event()

    async def wait(_request: web.BaseRequest) -> web.Response:
        await ended.wait()
        return web.Response()

    runner = web.ServerRunner(web.Server(wait))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with open_session() as session:
            yield CellClient(session, f"http://{host}:{port}", "silent", "c", "s" * 32, "a" * 32)
    finally:
        ended.set()
        await runner.cleanup()


async def test_a_cell_that_never_answers_is_not_waited_for(signed_cell: SignedCell) -> None:
    async with silent_cell() as client:
        sign_in = SignIn(signed_cell.codes.mint, signed_cell.clock, timeout_s=0.2)
        with pytest.raises(Unavailable, match="cannot be signed in"):
            await sign_in.token(client, user("Ann"))


async def test_who_is_forgotten_while_signing_in_gets_nothing(signed_cell: SignedCell) -> None:
    sign_in = signed_cell.sign_in()

    def forget_meanwhile(who: CellUser, challenge: Challenge) -> str:
        sign_in.forget_subject(who.sub)
        return signed_cell.codes.mint(who, challenge)

    sign_in.mint = forget_meanwhile
    async with signed_cell.client() as client:
        with pytest.raises(Unavailable) as refused:
            await sign_in.token(client, user("Ann"))
    assert refused.value.reason == "forgotten while signing in"
