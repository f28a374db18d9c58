"""The language model: any endpoint that speaks OpenAI's chat completions.

Rule: calls go through the `openai` package, so that its OpenInference instrumentation is what
writes the LLM spans and their token counts; this code writes none.
"""

from collections.abc import Sequence

from openai import OpenAI, OpenAIError
from openai.types.chat import ChatCompletionMessageParam
from openinference.instrumentation import TracerProvider
from openinference.instrumentation.openai import OpenAIInstrumentor

from assistant.conversation import Message, ModelFailedError


class ChatModel:
    """`url` ends in /v1, as `OPENAI_BASE_URL` does."""

    def __init__(
        self, url: str, name: str, key: str, traces: TracerProvider, timeout_s: float = 120.0
    ) -> None:
        OpenAIInstrumentor().instrument(tracer_provider=traces)
        self._client = OpenAI(base_url=url, api_key=key, timeout=timeout_s, max_retries=0)
        self._name = name

    def complete(self, messages: Sequence[Message]) -> str:
        try:
            answer = self._client.chat.completions.create(
                model=self._name,
                messages=[_param(message) for message in messages],
                temperature=0.3,
                max_tokens=160,
            )
        except OpenAIError as error:
            raise ModelFailedError(str(error)) from error
        text = answer.choices[0].message.content if answer.choices else None
        if not text:
            raise ModelFailedError("The model said nothing")
        return text.strip()


def _param(message: Message) -> ChatCompletionMessageParam:
    match message["role"]:
        case "system":
            return {"role": "system", "content": message["content"]}
        case "user":
            return {"role": "user", "content": message["content"]}
        case "assistant":
            return {"role": "assistant", "content": message["content"]}
