"""Roost's own few pages: sign-in by link, a cell that is waking, the frame around Phoenix.

Rule: no script at all, one style sheet named by its hash, every text escaped.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from roost.http.answers import answer
from roost.http.call import Call
from roost.model import Slug, Tenant

STYLE = """
:root{color-scheme:light dark;--ink:#1d2430;--soft:#667085;--ground:#f6f7f9;--card:#fff;
--line:#e1e5ea;--accent:#0f766e;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf1;--soft:#9aa5b4;--ground:#12161c;
--card:#1a2029;--line:#2c3541;--accent:#2dd4bf;--on:#06251f}}
*{box-sizing:border-box}html,body{height:100%;margin:0}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground)}
main{min-height:100%;display:grid;place-content:center;padding:1.5rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:2rem;
max-width:28rem;box-shadow:0 1px 3px #0001}
h1{font-size:1.15rem;margin:0 0 .5rem}p{margin:.5rem 0;color:var(--soft)}
button{font:inherit;font-weight:600;border:0;border-radius:8px;padding:.6rem 1.1rem;
background:var(--accent);color:var(--on);cursor:pointer}
button:focus-visible,a:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.bar{height:4px;border-radius:2px;background:var(--line);overflow:hidden;margin-top:1rem}
.bar i{display:block;height:100%;width:30%;background:var(--accent);
animation:go 1.4s ease-in-out infinite alternate}
@keyframes go{to{margin-left:70%}}
@media(prefers-reduced-motion:reduce){.bar i{animation:none;width:100%}}
.shell{display:flex;flex-direction:column;height:100%}
header{display:flex;gap:1rem;align-items:center;padding:.5rem 1rem;background:var(--card);
border-bottom:1px solid var(--line)}
header b{color:var(--accent)}header nav{display:flex;gap:.25rem;flex:1;overflow:auto}
header a{color:inherit;text-decoration:none;padding:.25rem .7rem;border-radius:8px}
header a[aria-current]{background:var(--ground);font-weight:600}
header form button{background:none;color:var(--soft);padding:.25rem .5rem;font-weight:400}
iframe{flex:1;border:0;width:100%}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Page:
    """`body` is HTML, escaped already. `refresh_s` reloads the page by itself."""

    title: str
    body: str
    refresh_s: int | None = None


async def show(
    call: Call,
    page: Page,
    status: int = 200,
    frame_ancestors: Sequence[str] = ("'none'",),
    more: Mapping[str, str] | None = None,
) -> None:
    await answer(
        call,
        status,
        "text/html; charset=utf-8",
        html(page),
        {"content-security-policy": policy(frame_ancestors), **(more or {})},
    )


def policy(frame_ancestors: Sequence[str]) -> str:
    return (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-src 'self'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {' '.join(frame_ancestors)}"
    )


def html(page: Page) -> bytes:
    refresh = (
        "" if page.refresh_s is None else f'<meta http-equiv="refresh" content="{page.refresh_s}">'
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(page.title)}</title><style>{STYLE}</style></head>"
        f"<body>{page.body}</body></html>"
    ).encode()


def sign_in() -> Page:
    return Page(
        "Sign in to Roost",
        '<main><div class="card"><h1>Sign in to Roost</h1>'
        "<p>This link works once, on this machine, for its operator.</p>"
        '<form method="post"><button autofocus>Sign in</button></form></div></main>',
    )


def waking(slug: Slug, phase: str, seconds: float) -> Page:
    return Page(
        f"Waking {slug}",
        '<main><div class="card" role="status"><h1>Waking Phoenix</h1>'
        f"<p>{escape(phase)}, {seconds:.0f} s so far. This page goes on by itself.</p>"
        '<div class="bar"><i></i></div></div></main>',
        refresh_s=1,
    )


def nothing_yet() -> Page:
    return Page(
        "Roost",
        '<main><div class="card"><h1>No tenant is yours yet</h1>'
        "<p>You are signed in, and belong to no tenant. Its operator can change that; "
        "<code>roost doctor</code> prints the line to add.</p></div></main>",
    )


def shell(base: str, mine: Sequence[Tenant], current: Tenant, person: str) -> Page:
    """Phoenix's UI of `current` in a frame, under the names of tenant and person."""
    tabs = "".join(_tab(base, tenant, tenant.slug == current.slug) for tenant in mine)
    return Page(
        f"{current.name} · Roost",
        f'<div class="shell"><header><b>Roost</b><nav aria-label="Tenants">{tabs}</nav>'
        f'<span>{escape(person)}</span><form method="post" action="{base}/sign-out">'
        "<button>Sign out</button></form></header>"
        f'<iframe title="Phoenix of {escape(current.name)}" src="{base}/ui/{current.slug}/">'
        "</iframe></div>",
    )


def _tab(base: str, tenant: Tenant, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    return f'<a href="{base}/app/{tenant.slug}"{mark}>{escape(tenant.name)}</a>'


def signed_out() -> Page:
    return Page(
        "Signed out",
        '<main><div class="card"><h1>Signed out</h1>'
        "<p>You may close this page. A new link: <code>roost link</code>.</p></div></main>",
    )
