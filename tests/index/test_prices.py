import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st

from roost.index.prices import Call, GenaiPrices

AT_US = 1_760_000_000_000_000
PRICES = GenaiPrices()
MODELS = (
    ("openai", "gpt-4o"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("openai", "gpt-4.1-mini"),
)
tokens = st.integers(min_value=0, max_value=400_000)


@given(st.sampled_from(MODELS), tokens, tokens, st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_call_costs_what_the_tables_say(
    model: tuple[str, str], prompt: int, completion: int, read: float, write: float
) -> None:
    """Also above the size from which a prompt is dearer."""
    provider, name = model
    cached = int(prompt * read)
    written = int(prompt * write) if provider == "anthropic" else 0
    usage = Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_tokens=cached,
        cache_write_tokens=written,
    )
    expected = calc_price(usage, name, provider_id=provider).total_price
    found = PRICES(Call(provider, name, AT_US, prompt, completion, cached, written))
    assert found == pytest.approx(float(expected) * 1e9, abs=1)


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "no-such-model"), ("acme", "gpt-4o"), ("", "house-7b")]
)
def test_what_is_not_in_the_tables_has_no_price(provider: str, model: str) -> None:
    assert PRICES(Call(provider, model, AT_US, 10, 10)) is None


@pytest.mark.parametrize(
    ("provider", "model"),
    [("mistralai", "mistral-large-latest"), ("xai", "grok-3"), ("", "gpt-4o-mini")],
)
def test_providers_go_by_the_names_of_openinference(provider: str, model: str) -> None:
    assert PRICES(Call(provider, model, AT_US, 1_000, 1_000))


def test_the_source_of_prices_is_named() -> None:
    assert PRICES.source.startswith("genai-prices ")
