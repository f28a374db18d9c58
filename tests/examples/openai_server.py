"""An OpenAI-compatible endpoint that says one thing and counts tokens its own way: a fake, so that
the assistant's model calls can be tried without a model."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

ANSWER = "A cell is a tenant's own Phoenix."
PROMPT_TOKENS = 321
COMPLETION_TOKENS = 12


@dataclass(slots=True)
class OpenAIServer:
    """An ASGI app. `asked` are the messages of each call; with `broken` it answers 500."""

    asked: list[list[dict[str, str]]] = field(default_factory=list)
    broken: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await Request(scope, receive).json()
        self.asked.append(body["messages"])
        answer = JSONResponse({}, 500) if self.broken else JSONResponse(_completion(body["model"]))
        await answer(scope, receive, send)


def _completion(model: str) -> dict[str, object]:
    message = {"role": "assistant", "content": ANSWER}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_900_000_000,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": COMPLETION_TOKENS,
            "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
        },
    }
