"""A conversation: some turns of one person, in one session.

Rule: which tool is used is decided by the question alone, by `plan`, so that a model too small to
call tools can be used, and no model at all.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, Protocol, TypedDict

from openinference.instrumentation import OITracer, using_session, using_user

from assistant.arithmetic import sum_in
from assistant.library import PageMissingError
from assistant.tools import Tool, Tools

PAGE = re.compile(r"[\w][\w/-]*\.md\b")
MAX_TURNS_KEPT = 2
SYSTEM = (
    "You answer questions about a piece of software from the notes you are given. "
    "Be brief. If the notes do not say, say that you do not know."
)


class Message(TypedDict):
    role: Literal["system", "user", "assistant"]
    content: str


class ModelFailedError(RuntimeError):
    """The endpoint refused, was not there, or said nothing."""


class Model(Protocol):
    def complete(self, messages: Sequence[Message]) -> str:
        """The next message's text. Raises ModelFailedError."""
        ...


class Conversation:
    """`model` is None where none is configured: then answers are the notes themselves."""

    def __init__(
        self, tools: Tools, tracer: OITracer, model: Model | None, session: str, user: str
    ) -> None:
        self._tools = tools
        self._model = model
        self._session = session
        self._user = user
        self._turns: list[tuple[str, str]] = []
        self._agent = tracer.agent(name="assistant")(self._turn)
        self._look_up = tracer.chain(name="look up")(self._notes)

    def ask(self, question: str) -> str:
        with using_session(self._session), using_user(self._user):
            answer = self._agent(question)
        self._turns.append((question, answer))
        return answer

    def _turn(self, question: str) -> str:
        notes = self._look_up(question)
        if not notes:
            return "The docs say nothing about that."
        if self._model is None:
            return notes
        try:
            return self._model.complete(self._messages(question, notes))
        except ModelFailedError:
            return f"The model did not answer. What the docs say:\n\n{notes}"

    def _notes(self, question: str) -> str:
        return "\n\n".join(_run(tool, argument) for tool, argument in self._plan(question))

    def _plan(self, question: str) -> Iterator[tuple[Tool, str]]:
        if expression := sum_in(question):
            yield self._tools.calculate, expression
        elif page := PAGE.search(question):
            yield self._tools.read_page, page[0]
        else:
            yield self._tools.search_docs, self._query(question)

    def _query(self, question: str) -> str:
        """A short follow-up ("And how long?") is about what was asked before."""
        short = len(question.split()) < 6 and self._turns
        return f"{self._turns[-1][0]} {question}" if short else question

    def _messages(self, question: str, notes: str) -> list[Message]:
        kept = self._turns[-MAX_TURNS_KEPT:]
        before: list[Message] = []
        for asked, answered in kept:
            before += [_said("user", asked), _said("assistant", answered)]
        now = f"Notes:\n{notes}\n\nQuestion: {question}"
        return [_said("system", SYSTEM), *before, _said("user", now)]


def _said(role: Literal["system", "user", "assistant"], content: str) -> Message:
    return {"role": role, "content": content}


def _run(tool: Tool, argument: str) -> str:
    try:
        return tool(argument)
    except (PageMissingError, ValueError, ZeroDivisionError) as error:
        return f"That did not work: {error}."
