import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from tests.index.spans import Attribute, Made, logged

from roost.index.facts import KINDS, MAX_NAME_CHARS, PREVIEW_CHARS, Facts, facts_of
from roost.log.records import LoggedSpan

LLM = ("openinference.span.kind", "LLM")


def read(*attributes: tuple[str, Attribute]) -> Facts:
    (one,) = logged(Made(1, 2, attributes=attributes))
    return facts_of(one)


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        pytest.param("LLM", "LLM", id="as Phoenix writes it"),
        pytest.param("llm", "LLM", id="small letters"),
        pytest.param("poem", "UNKNOWN", id="not a kind"),
        pytest.param(7, "UNKNOWN", id="no text"),
    ],
)
def test_a_kind_is_read_as_phoenix_reads_it(named: Attribute, kind: str) -> None:
    assert KINDS[read(("openinference.span.kind", named)).kind] == kind


@pytest.mark.parametrize(
    ("value", "tokens"),
    [
        pytest.param(12, 12, id="a number"),
        pytest.param("12", 12, id="a number as text"),
        pytest.param(12.7, 12, id="a fraction"),
        pytest.param("many", 0, id="no number"),
        pytest.param(-1, 0, id="less than nothing"),
        pytest.param(float("nan"), 0, id="not a number"),
    ],
)
def test_tokens_are_whole_numbers(value: Attribute, tokens: int) -> None:
    assert read(LLM, ("llm.token_count.prompt", value)).prompt == tokens


def test_only_llm_spans_have_tokens() -> None:
    assert read(("llm.token_count.prompt", 5)).prompt is None
    assert read(LLM).prompt == 0


def test_details_of_tokens_are_kept_where_they_are_given() -> None:
    facts = read(
        LLM,
        ("llm.token_count.prompt_details.cache_read", 3),
        ("llm.token_count.completion_details.reasoning", 4),
    )
    assert (facts.cached, facts.reasoning) == (3, 4)
    assert read(LLM).cached is None


@pytest.mark.parametrize(
    ("value", "user"),
    [
        pytest.param("ann", "ann", id="a text"),
        pytest.param(7, "7", id="a number"),
        pytest.param("", "", id="an empty text is a user id as well"),
    ],
)
def test_a_user_is_a_text(value: Attribute, user: str) -> None:
    assert read(("user.id", value)).user == user


def test_a_span_without_a_user_has_none() -> None:
    assert read().user is None


def test_a_session_is_stripped_and_may_be_a_number() -> None:
    assert read(("session.id", "  s1 ")).session == "s1"
    assert read(("session.id", 5)).session == "5"
    assert read(("session.id", "   ")).session == ""


def test_long_texts_are_cut() -> None:
    (one,) = logged(Made(1, 2, name="n" * 9_999, attributes=(("input.value", "i" * 9_999),)))
    facts = facts_of(one)
    assert (len(facts.name), len(facts.input)) == (MAX_NAME_CHARS, PREVIEW_CHARS)


def test_an_input_that_is_no_text_is_shown_as_json() -> None:
    (one,) = logged(Made(1, 2))
    value = AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue()]))
    one.span.attributes.append(KeyValue(key="input.value", value=value))
    assert facts_of(one).input == "[1,null]"


def test_without_an_input_the_last_message_of_the_user_is_shown() -> None:
    facts = read(
        ("llm.input_messages.0.message.role", "user"),
        ("llm.input_messages.0.message.content", "hello"),
        ("llm.input_messages.1.message.content", "be kind"),
        ("llm.input_messages.1.message.role", "system"),
        ("llm.input_messages.2.message.role", "tool"),
        ("llm.input_messages.2.message.content", "42"),
        ("llm.output_messages.0.message.role", "assistant"),
        ("llm.output_messages.0.message.contents.0.message_content.text", "hi"),
    )
    assert (facts.input, facts.output) == ("hello", "hi")
    assert facts.texts == ["hello", "be kind", "42", "hi"]


def test_a_message_of_nobody_is_no_preview() -> None:
    facts = read(("llm.input_messages.0.message.content", "be kind"), ("llm.output_messages", "x"))
    assert (facts.input, facts.output, facts.texts) == ("", "", ["be kind"])


def test_a_key_that_is_no_message_s_is_passed_over() -> None:
    facts = read(("llm.input_messages.message.content", "odd"))
    assert facts.input == ""


def genai(**more: Attribute) -> Facts:
    return read(*((f"gen_ai.{key.replace('__', '.')}", value) for key, value in more.items()))


def test_a_genai_call_is_an_llm_span() -> None:
    facts = genai(
        operation__name="chat",
        provider__name="aws.bedrock",
        request__model="claude-sonnet-4-5",
        conversation__id="c1",
        usage__input_tokens=10,
        usage__output_tokens=3,
        usage__cache_read__input_tokens=2,
        input__messages='[{"role": "user", "parts": [{"type": "text", "content": "hello"}]}]',
        output__messages='[{"role": "assistant", "parts": [{"type": "text", "content": "hi"}]}]',
    )
    assert KINDS[facts.kind] == "LLM"
    assert (facts.provider, facts.model, facts.session) == ("aws", "claude-sonnet-4-5", "c1")
    assert (facts.prompt, facts.completion, facts.cached) == (10, 3, 2)
    assert (facts.input, facts.output) == ("hello", "hi")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"operation__name": "execute_tool"}, "TOOL"),
        ({"operation__name": "embeddings"}, "EMBEDDING"),
        ({"operation__name": "invoke_agent"}, "AGENT"),
        ({"operation__name": "retrieval"}, "RETRIEVER"),
        ({"operation__name": "something"}, "UNKNOWN"),
        ({"tool__name": "search"}, "TOOL"),
        ({"request__model": "gpt-4o"}, "LLM"),
    ],
)
def test_a_genai_span_has_the_kind_that_phoenix_infers(
    given: dict[str, Attribute], kind: str
) -> None:
    assert KINDS[genai(**given).kind] == kind


def test_openinference_is_never_overridden() -> None:
    facts = read(
        ("openinference.span.kind", "AGENT"),
        ("llm.model_name", "mine"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "other"),
    )
    assert (KINDS[facts.kind], facts.model) == ("AGENT", "mine")


def test_messages_that_are_not_what_the_convention_says_are_passed_over() -> None:
    assert genai(input__messages="no json").input == ""


def test_a_span_that_never_ended_ends_in_1970() -> None:
    (one,) = logged(Made(1, 2))
    one.span.end_time_unix_nano = 0
    assert facts_of(one).end == 0


def test_the_latest_time_that_otlp_can_say_is_kept() -> None:
    (one,) = logged(Made(1, 2))
    one.span.end_time_unix_nano = 2**64 - 1
    assert facts_of(one).end == (2**64 - 1 + 500) // 1000


def test_a_status_that_otlp_does_not_know_is_unset() -> None:
    one: LoggedSpan
    (one,) = logged(Made(1, 2, status=7))
    assert facts_of(one).status == 0
