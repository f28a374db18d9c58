"""Phoenix's own page and assets, read from the installed package: its UI without its server."""

import importlib.util
import json
import mimetypes
from pathlib import Path

import jinja2
from tests.proxy.loopback import MOUNT, answering

from roost.http.call import Receive, Scope, Send


def server_directory() -> Path:
    spec = importlib.util.find_spec("phoenix")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "server"


def index_html(mount: str = MOUNT) -> bytes:
    """The page as a cell with that root path answers it, settings as Roost's cells have them."""
    server = server_directory()
    manifest = json.loads((server / "static" / ".vite" / "manifest.json").read_text())
    loader = jinja2.FileSystemLoader(server / "templates")
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("index.html")
    page = template.render(
        basename=mount,
        manifest=manifest,
        platform_version="20.26.1",
        is_development=False,
        authentication_enabled=True,
        basic_auth_disabled=True,
        oauth2_idps=[],
        management_url=None,
        support_email=None,
        allow_external_resources=False,
        agent_assistant_disabled=True,
        auth_error_messages={},
    )
    return page.encode()


async def cell(scope: Scope, receive: Receive, send: Send) -> None:
    """Assets by their path, no data, and the page for anything else, as Phoenix does."""
    path = scope["path"].removeprefix(MOUNT)
    found = server_directory() / "static" / path.lstrip("/")
    if path == "/graphql":
        answer = answering(b'{"data": null, "errors": [{"message": "no data here"}]}')
    elif found.is_file():
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        answer = answering(found.read_bytes(), {"content-type": kind})
    else:
        answer = answering(index_html(), {"content-type": "text/html; charset=utf-8"})
    await answer(scope, receive, send)
