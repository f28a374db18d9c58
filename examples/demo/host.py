"""The demo's host: an app with its own sign-in, two people of two tenants, their traces as they
happen, and Phoenix in a frame.

Rule: nothing here is Roost's but the mounted app, its addresses and the call at sign-out.
There are no passwords, so it answers on loopback names alone.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from string import Template

from examples.demo.ask import Ask
from examples.demo.session import COOKIE, LIFETIME_S, Claims, Sessions
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

BASE = "/api/phoenix"
QUESTION_CHARS_MAX = 500
SCRIPT = Path(__file__).with_name("page.js")
PAGE = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Person:
    """The claims of a session; `sub` is the same at each sign-in."""

    sub: str
    name: str
    email: str
    tenant: str
    role: str


PEOPLE = {
    "ann": Person("user-ann", "Ann", "ann@acme.example", "acme", "admin"),
    "bob": Person("user-bob", "Bob", "bob@globex.example", "globex", "admin"),
}


class Host:
    def __init__(self, sessions: Sessions, clock: Callable[[], float], ask: Ask | None) -> None:
        self._sessions = sessions
        self._clock = clock
        self._ask = ask

    async def show(self, request: Request) -> Response:
        claims = self._person(request)
        content = _sign_in() if claims is None else _signed_in(claims)
        return HTMLResponse(PAGE.substitute(content=content), headers={"cache-control": "no-store"})

    async def sign_in(self, request: Request) -> Response:
        person = PEOPLE.get(request.path_params["who"])
        if person is None:
            return PlainTextResponse("Nobody of that name", status_code=404)
        back = RedirectResponse("/", status_code=303)
        cookie = self._sessions.mint(asdict(person), int(self._clock()))
        back.set_cookie(COOKIE, cookie, max_age=LIFETIME_S, httponly=True, samesite="lax")
        return back

    async def ask(self, request: Request) -> Response:
        """The assistant's answer to the question in the body, as whoever is signed in."""
        claims = self._person(request)
        if claims is None or self._ask is None:
            return PlainTextResponse("Sign in first.", status_code=401)
        question = (await request.body()).decode(errors="replace")[:QUESTION_CHARS_MAX].strip()
        if not question:
            return PlainTextResponse("Ask something.", status_code=400)
        answer = await self._ask(str(claims["tenant"]), str(claims["sub"]), question)
        return PlainTextResponse(answer)

    def _person(self, request: Request) -> Claims | None:
        return self._sessions.read(request.cookies.get(COOKIE), int(self._clock()))

    async def sign_out(self, _: Request) -> Response:
        """The page has told Roost already, so that what is open in the frame ends too."""
        back = RedirectResponse("/", status_code=303)
        back.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return back


async def show_script(_: Request) -> Response:
    return FileResponse(SCRIPT, headers={"cache-control": "no-store"})


def create_app(
    roost: ASGIApp,
    secret: str,
    clock: Callable[[], float] = time.time,
    ask: Ask | None = None,
) -> Starlette:
    """`roost` is mounted at BASE. `secret` is the AUTH_SECRET that both share."""
    host = Host(Sessions(secret), clock, ask)
    return Starlette(
        routes=[
            Route("/", host.show),
            Route("/page.js", show_script),
            Route("/sign-in/{who}", host.sign_in, methods=["POST"]),
            Route("/sign-out", host.sign_out, methods=["POST"]),
            Route("/ask", host.ask, methods=["POST"]),
            Mount(BASE, roost),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
        ],
    )


def _sign_in() -> str:
    buttons = "".join(
        f'<form method="post" action="/sign-in/{who}"><button><b>{escape(person.name)}</b>'
        f"<span>{escape(person.tenant)}</span></button></form>"
        for who, person in PEOPLE.items()
    )
    return f'<main><h1>Who are you today?</h1><div class="people">{buttons}</div></main>'


def _signed_in(claims: Claims) -> str:
    name, tenant = escape(str(claims["name"])), escape(str(claims["tenant"]))
    return (
        f'<header><b>Host app</b><span class="who">{name} <small>{tenant}</small></span>'
        '<form method="post" action="/sign-out" id="sign-out"><button>Sign out</button></form>'
        f'</header><div class="work"><aside data-tenant="{tenant}">'
        '<form id="ask"><label for="question">Ask the docs</label>'
        '<input id="question" name="question" placeholder="What is a cell?" required>'
        "<button>Ask</button></form>"
        '<p id="answer" role="status"></p><h2>Live <small id="state"></small></h2>'
        '<ol id="live" aria-live="polite"></ol></aside>'
        f'<iframe title="Phoenix" src="{BASE}/ui/{tenant}/"></iframe></div>'
    )
