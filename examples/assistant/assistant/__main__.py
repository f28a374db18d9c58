"""The command line: `python -m assistant --ask "What is a cell?"`, or `--chat`."""

import argparse
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from openinference.instrumentation import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from assistant.conversation import Conversation, Model
from assistant.library import Library
from assistant.tools import Tools
from assistant.tracing import provider, to_endpoint, to_file

PROJECT_ROOT = Path(__file__).parents[3]


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="assistant", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--ask", action="append", metavar="QUESTION", help="one turn; may repeat")
    what.add_argument("--chat", action="store_true", help="ask until the input ends")
    parser.add_argument("--docs", type=Path, default=PROJECT_ROOT, help="has README.md and docs/")
    parser.add_argument("--session", default=str(uuid.uuid4()), help="session.id of the turns")
    parser.add_argument("--user", default="ann", help="user.id of the turns")
    parser.add_argument("--project", default="assistant", help="the project in Phoenix")
    parser.add_argument(
        "--endpoint",
        default=os.environ.get("PHOENIX_COLLECTOR_ENDPOINT", ""),
        help="where traces go: Roost's base URL (PHOENIX_COLLECTOR_ENDPOINT); "
        "the key is read from PHOENIX_API_KEY",
    )
    parser.add_argument("--record", type=Path, help="write traces to this file instead")
    parser.add_argument(
        "--model-url",
        default=os.environ.get("OPENAI_BASE_URL", ""),
        help="any OpenAI-compatible endpoint (OPENAI_BASE_URL); without one no model is used",
    )
    parser.add_argument("--model", default=os.environ.get("OPENAI_MODEL", "default"))
    return parser


def exporter(chosen: argparse.Namespace) -> SpanExporter | None:
    if chosen.record:
        return to_file(chosen.record)
    if not chosen.endpoint:
        print("No --endpoint: nothing is traced.", file=sys.stderr)
        return None
    key = os.environ.get("PHOENIX_API_KEY", "")
    if not key:
        sys.exit(
            "Set PHOENIX_API_KEY to a Roost key with the scope `ingest`: roost keys create --help"
        )
    return to_endpoint(chosen.endpoint, key)


def model_of(chosen: argparse.Namespace, traces: TracerProvider) -> Model:
    from assistant.model import ChatModel  # Takes a second, and is not always needed.

    key = os.environ.get("OPENAI_API_KEY", "none")
    return ChatModel(chosen.model_url, chosen.model, key, traces)


def typed() -> Iterator[str]:
    while True:
        try:
            question = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if question:
            yield question


def main(arguments: list[str] | None = None) -> None:
    chosen = options().parse_args(arguments)
    traces = provider(exporter(chosen), chosen.project)
    tracer = traces.get_tracer("assistant")
    model = model_of(chosen, traces) if chosen.model_url else None
    tools = Tools(Library.of(chosen.docs), tracer)
    conversation = Conversation(tools, tracer, model, chosen.session, chosen.user)
    questions: Iterable[str] = typed() if chosen.chat else chosen.ask
    try:
        for question in questions:
            print(f"{conversation.ask(question)}\n", flush=True)
    finally:
        traces.shutdown()


main()
