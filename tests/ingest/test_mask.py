"""What a rule names must not be in the bytes that go to the log, however it was written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span
from tests.ingest.spans import group, request

from roost.errors import ConfigError
from roost.ingest.logged_attributes import fill_attributes
from roost.ingest.mask import NO_MASK, parse_mask
from roost.ingest.mask_patterns import BUILT_IN
from roost.ingest.wire import field

SECRET = "hunter2"


def a_span(**attributes: object) -> Span:
    """Underscores in names are dots; values nest as OTLP's maps and lists do."""
    return with_attributes({key.replace("_", "."): value for key, value in attributes.items()})


def with_attributes(attributes: dict[str, object]) -> Span:
    span = Span(trace_id=b"t" * 16, span_id=b"s" * 8)
    for key, value in attributes.items():
        span.attributes.add(key=key, value=as_value(value))
    return span


def as_value(value: object) -> AnyValue:
    """Unlike Phoenix's client, without flattening."""
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    made = AnyValue()
    if isinstance(value, dict):
        made.kvlist_value.SetInParent()
        for key, one in value.items():
            made.kvlist_value.values.add(key=key, value=as_value(one))
        return made
    if isinstance(value, list):
        made.array_value.SetInParent()
        made.array_value.values.extend(map(as_value, value))
        return made
    pairs: list[KeyValue] = []
    holder = Span()
    fill_attributes(holder.attributes, {"one": value})
    pairs.extend(holder.attributes)
    return pairs[0].value


def masked(span: Span, *rules: str) -> Span:
    """The span as it comes out, read again from its bytes."""
    batch = group([span], "docs")
    parse_mask(rules).hide(batch)
    return ResourceSpans.FromString(batch.SerializeToString()).scope_spans[0].spans[0]


def values(span: Span) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in span.attributes}


def in_json(*path: str | int) -> object:
    """JSON with the secret at the end of the path."""
    value: object = SECRET
    for step in reversed(path):
        value = {step: value} if isinstance(step, str) else [*["x"] * step, value]
    return value


KEY_RULE = "keys:llm.input_messages.*.message.content"
MESSAGES = {"llm.input_messages.1.message": {"content": SECRET, "role": "user"}}


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"llm.input_messages.0.message.content": SECRET}, id="flat"),
        pytest.param({"llm.input_messages.0.message": {"content": SECRET}}, id="a map"),
        pytest.param({"llm.input_messages": [{}, {"message": {"content": SECRET}}]}, id="a list"),
        pytest.param({"llm": in_json("input_messages", 2, "message", "content")}, id="all nested"),
        pytest.param(
            {"llm.input_messages": json.dumps([{"message": {"content": SECRET}}])}, id="JSON"
        ),
        pytest.param(
            {"llm.input_messages": json.dumps([{"message": json.dumps({"content": SECRET})}])},
            id="JSON in JSON",
        ),
        pytest.param(
            {"llm.input_messages.0.message": {"content": [{"text": SECRET}, 1, True]}},
            id="what stands below",
        ),
        pytest.param({"llm.input_messages.0.message.content.0.text": SECRET}, id="below, but flat"),
        pytest.param(
            {"llm.input_messages": '[{"message": {"content": "hunter2'}, id="JSON cut off"
        ),
        pytest.param(
            {"llm.input_messages": '[{"message": {"content": "hunter2", "content": ""}}]'},
            id="a name given twice",
        ),
        pytest.param(
            {"llm.input_messages": '[{"mess\\u0061ge": {"content": "hunter2"}}]'},
            id="a name with escapes",
        ),
    ],
)
def test_a_key_is_hidden_however_it_is_nested(attributes: dict[str, object]) -> None:
    span = masked(with_attributes({**attributes, "llm.model_name": "gpt"}), KEY_RULE)
    assert SECRET.encode() not in span.SerializeToString()
    assert values(span)["llm.model_name"] == "gpt"


def test_what_stands_beside_a_hidden_key_stays() -> None:
    told = json.dumps([{"message": {"content": SECRET, "role": "user"}}, 1.50])
    span = masked(a_span(llm_input=told), "keys:llm.input.*.content")
    assert values(span)["llm.input"] == (
        '[{"message": {"content": "[masked]", "role": "user"}}, 1.5]'
    )


@pytest.mark.parametrize(
    ("rule", "hidden"),
    [
        ("keys:input.value", True),
        ("keys:input", True),
        ("keys:input.*", True),
        ("keys:*value", True),
        ("keys:input.val", False),
        ("keys:put.value", False),
        ("keys:Input.value", False),
    ],
)
def test_a_key_rule_names_whole_keys_and_what_is_below(rule: str, hidden: bool) -> None:
    span = masked(a_span(input_value=SECRET), rule)
    assert values(span) == {"input.value": "[masked]" if hidden else SECRET}


@pytest.mark.parametrize("value", [7, 1.5, True, b"hunter2", [SECRET], {"a": SECRET}, [], {}])
def test_a_key_is_hidden_whatever_its_value_is(value: object) -> None:
    assert values(masked(a_span(secret=value), "keys:secret")) == {"secret": "[masked]"}


CARD = "4111 1111 1111 1111"
SEEN = {
    "email": [
        ("ann@example.com", "to {} now"),
        ("ann.o'b+tag@sub.example.co.uk", "<mailto:{}>"),
        ("bob@example.com", "{{'to': '{}'}}"),
        ("änn@bücher.example", "({})."),
        (f"{'a' * 300}@example.com", "{}"),
    ],
    "credit-card": [
        (CARD, "paid with {}."),
        ("4111-1111-1111-1111", "12 {} x"),
        ("378282246310005", "x{}x"),
        ("6011000990139424", "id 12 {}"),
    ],
    "ipv4": [("203.0.113.7", "from {}."), ("10.0.0.1", "{}:8080"), ("192.168.1.1", "//{}/x")],
    "ipv6": [
        ("2001:db8::1", "from {}: no"),
        ("fe80::1ff:fe23:4567:890a", "[{}]:80"),
        ("2001:db8:0:0:0:0:2:1", "addr:{}"),
        ("::ffff:203.0.113.7", " {} "),
        ("2001:db8::2", "ip={}"),
    ],
    "aws-key": [
        ("AKIAIOSFODNN7EXAMPLE", "key {},"),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_SECRET_ACCESS_KEY={}"),
        ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", '"aws_secret_access_key": "{}"'),
    ],
    "bearer-token": [("eyJhbGciOi.J9-_~+/abc==", "Authorization: Bearer {}")],
}
CASES = [(rule, *case) for rule, cases in SEEN.items() for case in cases]


@pytest.mark.parametrize(("rule", "found", "around"), CASES)
def test_a_pattern_is_hidden_in_text(rule: str, found: str, around: str) -> None:
    span = masked(a_span(input_value=around.format(found)), rule)
    assert values(span) == {"input.value": around.format(f"[masked:{rule}]")}


@pytest.mark.parametrize(("rule", "found", "around"), CASES)
def test_a_pattern_is_hidden_wherever_a_span_holds_text(rule: str, found: str, around: str) -> None:
    text = around.format(found)
    span = a_span(
        plain=text,
        nested=[{"a": [text]}, {text: 1}],
        told=json.dumps({"a": [text, {text: 2}], "b": "\\\n\tü"}),
        twice=json.dumps([json.dumps({"q": f"\n{text}"})]),
        raw=text.encode(),
    )
    span.name = text
    span.trace_state = text
    span.attributes.add(key=text).value.int_value = 1
    event = span.events.add(name=text)
    for key in ("exception.message", "exception.stacktrace"):
        event.attributes.add(key=key).value.string_value = f"ValueError: {text}"
    span.links.add().attributes.add(key="why").value.string_value = text
    span.status.message = f"ValueError: {text}"
    batch = group([span], "docs")
    batch.resource.attributes.add(key="host").value.string_value = text
    batch.scope_spans[0].scope.attributes.add(key="of").value.string_value = text
    batch.scope_spans[0].scope.name = text
    parse_mask([rule]).hide(batch)
    assert found.encode() not in batch.SerializeToString()
    json.loads(values(batch.scope_spans[0].spans[0])["told"])
    assert "[masked:" in json.loads(values(batch.scope_spans[0].spans[0])["twice"])[0]


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("email", "@everyone, a@b and user@localhost"),
        ("credit-card", "4111 1111 1111 1112"),
        ("credit-card", "1746038412345678901 and 9111111111111111"),
        ("credit-card", "41111111111111111111111"),
        ("ipv4", "version 1.2.3, 1.2.3.4.5 and 300.1.1.1"),
        ("ipv6", "std::vector<int> at 12:34:56 a::method()"),
        ("aws-key", "AKIA, AKIAIOSFODNN7EXAMPLEX and MAKIAIOSFODNN7EXAMPL"),
        ("bearer-token", "the bearer of this letter"),
    ],
)
def test_what_only_looks_like_it_stays(rule: str, text: str) -> None:
    assert values(masked(a_span(input_value=text), rule)) == {"input.value": text}


@pytest.mark.parametrize("number", [4111111111111111, 4111111111111111.0])
def test_a_card_number_is_hidden_as_a_number_too(number: float) -> None:
    span = masked(a_span(card=number, other=[number], told=json.dumps([number])), "credit-card")
    assert values(span)["card"] == "[masked:credit-card]"
    assert str(int(number)).encode() not in span.SerializeToString()
    assert all(
        one.value.WhichOneof("value") != "int_value" for one in span.attributes if one.key == "card"
    )


def test_a_number_that_is_hidden_leaves_json_behind() -> None:
    span = masked(a_span(told='{"card": 4111111111111111, "n": 1}'), "credit-card")
    assert json.loads(values(span)["told"]) == {"card": "[masked:credit-card]", "n": 1}


def test_an_escaped_character_is_what_it_stands_for() -> None:
    span = masked(a_span(told='{"to": "ann\\u0040example.com", "cut": "ann\\u0040ex.org'), "email")
    assert values(span)["told"] == '{"to": "[masked:email]", "cut": "[masked:email]'


def test_an_exceptions_message_is_hidden_where_sdks_copy_it() -> None:
    span = a_span()
    event = span.events.add(name="exception")
    for key in ("exception.message", "exception.stacktrace", "exception.type"):
        event.attributes.add(key=key).value.string_value = SECRET if "m" in key else f"x {SECRET}"
    event.attributes[2].value.string_value = "ValueError"
    span.status.message = f"ValueError: {SECRET}"
    hidden = masked(span, "keys:exception.message")
    assert SECRET.encode() not in hidden.SerializeToString()
    assert hidden.events[0].attributes[2].value.string_value == "ValueError"


def test_what_protobuf_does_not_know_is_dropped() -> None:
    unknown = field(99, SECRET.encode())
    span = Span.FromString(a_span(plain="x").SerializeToString() + unknown)
    assert SECRET.encode() in span.SerializeToString()
    assert SECRET.encode() not in masked(span, "email").SerializeToString()


def test_json_that_holds_nothing_to_hide_stays_byte_for_byte() -> None:
    told = '{ "a" : [1.50, 1e3, "\\u00fc\\n"],\n"a":{} , "b":null}'
    span = masked(a_span(told=told), "email", "keys:told.secret", "credit-card")
    assert values(span)["told"] == told


def test_what_is_nested_too_deeply_to_be_judged_is_hidden() -> None:
    told = "[" * 5_000 + f'"{SECRET}"' + "]" * 5_000
    span = masked(a_span(told=told, after="x"), "keys:told.*.secret")
    assert SECRET.encode() not in span.SerializeToString()
    assert values(span)["after"] == "x"


def test_a_path_too_long_to_be_judged_is_hidden() -> None:
    told = json.dumps({"k" * 2_000: {"secret": SECRET}, "b": 1})
    span = masked(a_span(told=told), "keys:told.*.secret")
    assert SECRET.encode() not in span.SerializeToString()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text('ab.\\"é', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON_VALUES, st.booleans())
def test_hidden_json_is_still_json_and_all_else_is_unchanged(value: object, ascii_: bool) -> None:
    told = json.dumps({"keep": value, "secret": value}, ensure_ascii=ascii_)
    span = masked(a_span(told=told), "keys:told.secret")
    assert json.loads(values(span)["told"]) == {"keep": value, "secret": "[masked]"}


@given(st.text(max_size=40), st.integers(0, 60))
def test_a_cut_anywhere_gives_nothing_away(before: str, cut: int) -> None:
    told = json.dumps([before, {"secret": {"a": [f"{SECRET} and more"]}}, "tail"])
    span = masked(a_span(told=told[: len(told) - cut]), "keys:told.*.secret")
    assert SECRET.encode() not in span.SerializeToString()


@given(st.text('{}[]":,\\\\ud8/@.:14-abAKIA \n', max_size=80), st.sampled_from(['{"a":', "[", ""]))
def test_no_text_is_too_odd(text: str, before: str) -> None:
    span = masked(a_span(told=before + text), *BUILT_IN, "keys:told.a.b", "keys:*.secret")
    assert list(values(span)) == ["told"]
    masked(a_span(told=before + text), *BUILT_IN)


def test_every_rule_that_is_none_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mask(["email", "e-mail", "keys:", "keys:*", f"keys:{'a' * 2_000}", "re:"])
    assert len(caught.value.findings) == 5
    assert "'e-mail'" in caught.value.findings[0]
    assert "email, credit-card" in caught.value.findings[0]


def test_without_rules_nothing_is_touched() -> None:
    batch = group([a_span(input_value=f"ann@example.com {CARD}")], "docs")
    before = request(batch).SerializeToString()
    NO_MASK.hide(batch)
    assert request(batch).SerializeToString() == before
    assert not NO_MASK
