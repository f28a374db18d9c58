"""Traces as an assistant makes them: agents, models, tools and retrievals, with users, sessions,
errors and messages of 1 to 4 KB.

Rule: the same seed gives the same bytes, on any machine. Nothing in here knows Roost; the spans go
out as an exporter would send them, children before their parents.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

NOW_NS = 1_790_000_000_000_000_000
DAY_NS = 86_400_000_000_000

MODELS = (
    ("openai", "gpt-4o-mini", 50),
    ("openai", "gpt-4o", 25),
    ("anthropic", "claude-sonnet-4-5", 15),
    ("google", "gemini-2.5-pro", 8),
    ("acme", "house-model-7b", 2),
)
"""Provider, model, weight; the last one has no known price."""
_NAMES = ("answer_question", "support_agent", "summarise_document", "plan_trip", "review_code")
_TOOLS = ("search_web", "read_file", "run_query", "send_mail", "get_weather")
_WORDS = (
    "the", "model", "answers", "questions", "about", "orders", "invoices", "shipping",
    "refunds", "weather", "travel", "plans", "code", "review", "databases", "indexes",
    "latency", "tokens", "prices", "customers", "accounts", "settings", "languages", "history",
    "of", "cities", "rivers", "mountains", "music", "films", "books", "recipes", "gardens",
    "health", "sports", "science", "physics",
)  # fmt: skip
_VOCABULARY_WORDS = 40_000
_STEP_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Scale:
    """`days` is the time over which the traces are spread, up to NOW_NS."""

    projects: Sequence[str] = ("default",)
    users: int = 2_000
    sessions_of_a_user: int = 20
    days: int = 30
    error_share: float = 0.04
    user_share: float = 0.9


class Traces:
    """Endless; `Traces(1)` gives the same as any other `Traces(1)`."""

    def __init__(self, seed: int, scale: Scale | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - made-up data
        self._scale = scale or Scale()
        self._models = [(provider, model) for provider, model, _ in MODELS]
        self._weights = [weight for _, _, weight in MODELS]

    def one(self, spans: int | None = None, at_ns: int | None = None) -> tuple[str, list[Span]]:
        """A project and the spans of a trace of it, children before parents: 8 to 20 of them where
        `spans` does not say how many."""
        draw = self._random
        scale = self._scale
        count = spans or draw.randint(8, 20)
        start = at_ns or self._moment(draw.random())
        project = scale.projects[min(int(draw.expovariate(1.0)), len(scale.projects) - 1)]
        trace = _Trace(draw, draw.randbytes(16), start, self._identity())
        return project, trace.spans(count, self._models, self._weights, scale.error_share)

    def batches(self, spans: int, batch_spans: int = 512) -> Iterator[bytes]:
        """Serialised ExportTraceServiceRequests of about `batch_spans` each, `spans` in all, in
        the order of time."""
        waiting: dict[str, list[Span]] = {}
        made = held = 0
        while made < spans:
            project, trace = self.one(at_ns=self._moment(made / spans))
            waiting.setdefault(project, []).extend(trace)
            made += len(trace)
            held += len(trace)
            if held >= batch_spans:
                yield request(waiting)
                waiting, held = {}, 0
        if held:
            yield request(waiting)

    def trace_batches(self, spans: int, batch_spans: int = 512) -> list[bytes]:
        """One trace of that many spans, as its exporter sends it."""
        project, trace = self.one(spans)
        return [
            request({project: trace[at : at + batch_spans]})
            for at in range(0, len(trace), batch_spans)
        ]

    def _moment(self, share: float) -> int:
        """That far into the days, give or take a minute."""
        since = NOW_NS - self._scale.days * DAY_NS
        jitter = int(self._random.random() * 60 * 1_000_000_000)
        return since + int(share * self._scale.days * DAY_NS) + jitter

    def _identity(self) -> tuple[KeyValue, ...]:
        draw, scale = self._random, self._scale
        if draw.random() > scale.user_share:
            return ()
        user = min(int(draw.paretovariate(0.9)) - 1, scale.users - 1)
        session = draw.randrange(scale.sessions_of_a_user)
        return (
            text("user.id", f"user-{user}"),
            text("session.id", f"session-{user}-{session}"),
        )


class _Trace:
    def __init__(
        self, draw: random.Random, trace_id: bytes, start: int, identity: tuple[KeyValue, ...]
    ) -> None:
        self._draw = draw
        self._trace_id = trace_id
        self._start = start
        self._identity = identity
        self._question = prose(draw, 200, 1_200)

    def spans(
        self,
        count: int,
        models: Sequence[tuple[str, str]],
        weights: Sequence[int],
        error_share: float,
    ) -> list[Span]:
        draw = self._draw
        ids = [draw.randbytes(8) for _ in range(count)]
        parents = [0] * count
        for at in range(1, count):
            parents[at] = draw.randrange(max(0, at - 8), at) if draw.random() < 0.4 else 0
        made = []
        clock = self._start
        lasts = self._start + count * 20 * _STEP_NS
        answer = prose(draw, 300, 1_500)
        model = draw.choices(models, weights)[0]
        fails = draw.random() < error_share
        for at in range(1, count):
            clock += draw.randrange(1, 20) * _STEP_NS
            span = self._span(ids[at], ids[parents[at]], clock)
            kind = draw.random()
            if kind < 0.35:
                self._call(span, model, answer)
            elif kind < 0.6:
                self._tool(span)
            elif kind < 0.75:
                self._retrieval(span)
            else:
                self._step(span)
            span.end_time_unix_nano = clock + int(draw.lognormvariate(4.5, 1.0) * _STEP_NS)
            lasts = max(lasts, span.end_time_unix_nano)
            made.append(span)
        root = self._span(ids[0], b"", self._start)
        root.name = draw.choice(_NAMES)
        root.attributes.extend(
            [
                text("openinference.span.kind", "AGENT"),
                text("input.value", self._question),
                text("output.value", answer),
            ]
        )
        root.end_time_unix_nano = lasts + _STEP_NS
        if fails:
            root.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="the tool failed"))
            if made:
                made[-1].status.code = Status.STATUS_CODE_ERROR
        made.reverse()
        return [*made, root]

    def _span(self, span_id: bytes, parent: bytes, start: int) -> Span:
        return Span(
            trace_id=self._trace_id,
            span_id=span_id,
            parent_span_id=parent,
            start_time_unix_nano=start,
            attributes=self._identity,
        )

    def _call(self, span: Span, model: tuple[str, str], answer: str) -> None:
        draw = self._draw
        prompt, completion = draw.randint(200, 4_000), draw.randint(20, 900)
        span.name = "ChatCompletion"
        span.attributes.extend(
            [
                text("openinference.span.kind", "LLM"),
                text("llm.provider", model[0]),
                text("llm.model_name", model[1]),
                number("llm.token_count.prompt", prompt),
                number("llm.token_count.completion", completion),
                number("llm.token_count.total", prompt + completion),
                number("llm.token_count.prompt_details.cache_read", prompt // 3),
                text("llm.invocation_parameters", '{"temperature": 0.2}'),
                text("llm.input_messages.0.message.role", "system"),
                text("llm.input_messages.0.message.content", _SYSTEM),
                text("llm.input_messages.1.message.role", "user"),
                text("llm.input_messages.1.message.content", self._question),
                text("llm.output_messages.0.message.role", "assistant"),
                text("llm.output_messages.0.message.content", answer),
                text("input.value", self._question),
                text("input.mime_type", "text/plain"),
                text("output.value", answer),
            ]
        )

    def _tool(self, span: Span) -> None:
        tool = self._draw.choice(_TOOLS)
        span.name = tool
        span.attributes.extend(
            [
                text("openinference.span.kind", "TOOL"),
                text("tool.name", tool),
                text("input.value", '{"query": "' + prose(self._draw, 20, 80) + '"}'),
                text("output.value", prose(self._draw, 100, 800)),
            ]
        )

    def _retrieval(self, span: Span) -> None:
        span.name = "retrieve"
        span.attributes.extend(
            [
                text("openinference.span.kind", "RETRIEVER"),
                text("input.value", self._question),
                text("retrieval.documents.0.document.content", prose(self._draw, 200, 900)),
            ]
        )

    def _step(self, span: Span) -> None:
        span.name = "step"
        span.attributes.append(text("openinference.span.kind", "CHAIN"))


def prose(draw: random.Random, least: int, most: int) -> str:
    """Words, a few of them rare, of about `least` to `most` characters."""
    wanted = draw.randint(least, most)
    words = draw.choices(_WORDS, k=max(1, wanted // 8))
    words.append(f"term{min(int(draw.paretovariate(0.6)), _VOCABULARY_WORDS)}")
    return " ".join(words)


_SYSTEM = prose(random.Random(0), 800, 900)  # noqa: S311 - made-up data


def request(spans: dict[str, list[Span]]) -> bytes:
    """A serialised batch of spans by project."""
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(
                    attributes=[
                        text("service.name", "assistant"),
                        text("openinference.project.name", project),
                    ]
                ),
                scope_spans=[ScopeSpans(scope=InstrumentationScope(name="bench"), spans=some)],
            )
            for project, some in spans.items()
        ]
    ).SerializeToString()


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def number(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))
