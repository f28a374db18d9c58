"""The assistant, run as people run it: a program that sends its traces."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from tests.examples.collector import BASE, KEY, Collector, text_of
from tests.examples.openai_server import ANSWER, COMPLETION_TOKENS, PROMPT_TOKENS, OpenAIServer
from tests.examples.serving import app_served

FOLDER = Path(__file__).parents[2] / "examples" / "assistant"
TIMEOUT_S = 60

README = """\
# Birds

A rooster crows at dawn and guards the yard.

## Eggs

A hen lays about 300 eggs a year. Keep them cool.

```sh
# not a heading: roost --eggs
```
"""
FOXES = "# Foxes\n\nA fox comes at night. Close the door of the coop at dusk.\n"


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "README.md").write_text(README)
    (root / "docs" / "dangers").mkdir(parents=True)
    (root / "docs" / "dangers" / "foxes.md").write_text(FOXES)
    (root / "secret.md").write_text("# Secret\n\nThe key is under the mat.\n")
    return root


@dataclass(frozen=True, slots=True)
class Assistant:
    docs: Path
    environment: dict[str, str]

    def ask(self, *questions: str, **more: str) -> str:
        done = self.run([part for asked in questions for part in ("--ask", asked)], **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(
        self, arguments: list[str], typed: str = "", **more: str
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "assistant", "--docs", str(self.docs), *arguments],
            cwd=FOLDER,
            env={**os.environ, **self.environment, **more},
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )


@pytest.fixture
def assistant(docs: Path, collector_url: str) -> Assistant:
    sends_to = {"PHOENIX_COLLECTOR_ENDPOINT": f"{collector_url}{BASE}", "PHOENIX_API_KEY": KEY}
    return Assistant(docs, sends_to)


@pytest.fixture
def openai() -> OpenAIServer:
    return OpenAIServer()


@pytest.fixture
def openai_url(openai: OpenAIServer) -> Iterator[str]:
    with app_served(openai) as url:
        yield f"{url}/v1"


def kinds(spans: list[Span]) -> Counter[str | None]:
    return Counter(text_of(span, "openinference.span.kind") for span in spans)


def of_kind(spans: list[Span], kind: str) -> list[Span]:
    return [span for span in spans if text_of(span, "openinference.span.kind") == kind]


def test_without_a_model_the_answer_is_the_passage_and_no_model_call_is_traced(
    assistant: Assistant, collector: Collector
) -> None:
    said = assistant.ask("How many eggs does a hen lay?")
    assert "300 eggs" in said
    assert "rooster" not in said.split("\n\n")[0]
    assert kinds(collector.spans) == {"AGENT": 1, "CHAIN": 1, "TOOL": 1, "RETRIEVER": 1}


def test_the_turns_are_one_session_of_one_user(assistant: Assistant, collector: Collector) -> None:
    asks = ["--ask", "When do foxes come?", "--ask", "And then?"]
    done = assistant.run(["--user", "ada", "--session", "s-1", *asks])
    assert done.stdout.count("Close the door") == 2
    assert {text_of(span, "session.id") for span in collector.spans} == {"s-1"}
    assert {text_of(span, "user.id") for span in collector.spans} == {"ada"}
    assert len({span.trace_id for span in collector.spans}) == 2


def test_what_a_retriever_found_is_in_its_span(assistant: Assistant, collector: Collector) -> None:
    assistant.ask("fox")
    [found] = of_kind(collector.spans, "RETRIEVER")
    assert text_of(found, "retrieval.documents.0.document.id") == "docs/dangers/foxes.md#Foxes"


@pytest.mark.parametrize(
    ("question", "tool", "said"),
    [
        pytest.param("What is 12 * 25 + 1 ?", "calculate", "12 * 25 + 1 = 301", id="a sum"),
        pytest.param("Read docs/dangers/foxes.md", "read_page", "A fox comes", id="a page"),
        pytest.param("Who guards the yard?", "search_docs", "A rooster", id="a question"),
    ],
)
def test_the_question_chooses_the_tool(
    assistant: Assistant, collector: Collector, question: str, tool: str, said: str
) -> None:
    assert said in assistant.ask(question)
    assert [span.name for span in of_kind(collector.spans, "TOOL")] == [tool]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        pytest.param("Read docs/owls.md", "There is no page docs/owls.md", id="no such page"),
        pytest.param("Read secret.md", "There is no page secret.md", id="not among the docs"),
        pytest.param("What is 3 / 0?", "division by zero", id="no such number"),
    ],
)
def test_a_tool_that_fails_is_an_error_in_its_span_and_a_message_in_the_talk(
    assistant: Assistant, collector: Collector, question: str, said: str
) -> None:
    assert said in assistant.ask(question)
    [tool] = of_kind(collector.spans, "TOOL")
    assert tool.status.code == Status.STATUS_CODE_ERROR
    assert [event.name for event in tool.events] == ["exception"]


def test_nothing_found_is_said(assistant: Assistant) -> None:
    assert assistant.ask("quantum chromodynamics?").strip() == "The docs say nothing about that."


def test_a_model_is_asked_with_notes_and_earlier_turns_and_its_tokens_are_traced(
    assistant: Assistant, collector: Collector, openai: OpenAIServer, openai_url: str
) -> None:
    said = assistant.ask("When do foxes come?", "And eggs?", OPENAI_BASE_URL=openai_url)
    assert said.count(ANSWER) == 2
    assert [message["role"] for message in openai.asked[1]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert "Close the door" in openai.asked[0][-1]["content"]
    first, second = of_kind(collector.spans, "LLM")
    for span in (first, second):
        counted = {one.key: one.value.int_value for one in span.attributes}
        assert counted["llm.token_count.prompt"] == PROMPT_TOKENS
        assert counted["llm.token_count.completion"] == COMPLETION_TOKENS


def test_a_model_that_fails_leaves_the_passage_and_an_error(
    assistant: Assistant, collector: Collector, openai: OpenAIServer, openai_url: str
) -> None:
    openai.broken = True
    said = assistant.ask("When do foxes come?", OPENAI_BASE_URL=openai_url)
    assert "The model did not answer" in said
    assert "Close the door" in said
    [call] = of_kind(collector.spans, "LLM")
    assert call.status.code == Status.STATUS_CODE_ERROR


def test_a_missing_key_is_told(assistant: Assistant) -> None:
    done = assistant.run(["--ask", "fox"], PHOENIX_API_KEY="")
    assert done.returncode != 0
    assert "PHOENIX_API_KEY" in done.stderr


def test_a_chat_ends_with_its_input(assistant: Assistant) -> None:
    done = assistant.run(["--chat"], typed="When do foxes come?\n\n")
    assert done.returncode == 0
    assert "Close the door" in done.stdout
