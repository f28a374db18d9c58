"""ASGI scopes and what an app answers to them, for tests that need no socket."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from roost.http.call import Message, Scope
from roost.http.problems import App


def a_scope(
    method: str = "GET",
    path: str = "/",
    headers: Mapping[str, str] | None = None,
    *,
    query: str = "",
    host: str | None = "app.example.com",
    kind: str = "http",
    client: tuple[str, int] | None = ("192.0.2.7", 1234),
) -> Scope:
    """What a server makes of a request; header names as it makes them, in lower case."""
    shown = {} if host is None else {"host": host}
    shown |= {name.lower(): value for name, value in (headers or {}).items()}
    return {
        "type": kind,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in shown.items()],
        "client": client,
        **({"method": method} if kind == "http" else {}),
    }


@dataclass
class Answer:
    messages: list[Message] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


async def ask(app: App, scope: Scope, sent: bytes = b"") -> Answer:
    answer = Answer()

    async def receive() -> Message:
        return {"type": "http.request", "body": sent, "more_body": False}

    async def send(message: Message) -> None:
        answer.messages.append(message)

    await app(scope, receive, send)
    return answer
