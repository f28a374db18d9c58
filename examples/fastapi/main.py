"""Phoenix inside a FastAPI app: mounted, and the app says who is calling.

Run it: `uvicorn main:app --workers 4`. All workers share one keeper.
"""

import os

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.middleware.sessions import SessionMiddleware
from starlette.types import Scope

from roost import HostUser, Roost

PEOPLE = {
    "ann": HostUser("user-ann", "acme", "admin", name="Ann"),
    "bob": HostUser("user-bob", "globex", "member", name="Bob"),
}


def identify(scope: Scope) -> HostUser | None:
    """Whoever your app says is signed in; None for nobody. May be `async` too."""
    return PEOPLE.get(scope["session"].get("who", ""))


app = FastAPI()
app.mount("/api/phoenix", Roost(identify=identify))
app.add_middleware(
    SessionMiddleware, secret_key=os.environ["SESSION_SECRET"], same_site="lax", max_age=8 * 3600
)


@app.get("/")
def page(request: Request) -> HTMLResponse:
    user = identify(request.scope)
    if user is None:
        return HTMLResponse(
            '<form method="post" action="/sign-in/ann"><button>Ann</button></form>'
            '<form method="post" action="/sign-in/bob"><button>Bob</button></form>'
        )
    return HTMLResponse(
        f'<form method="post" action="/sign-out">{user.name} <button>Sign out</button></form>'
        f'<iframe title="Phoenix" src="/api/phoenix/ui/{user.tenant}/" width="100%" height="900">'
        "</iframe>"
    )


@app.post("/sign-in/{who}")
def sign_in(who: str, request: Request) -> RedirectResponse:
    """An example has no passwords; yours does, so keep this one on your machine."""
    request.session["who"] = who
    return RedirectResponse("/", status_code=303)


@app.post("/sign-out")
def sign_out(request: Request) -> RedirectResponse:
    request.session.clear()
    return RedirectResponse("/", status_code=303)
