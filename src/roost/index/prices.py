"""What a call of a model costs, by the tables of genai-prices.

Rule: a model that is not in the tables has no price; nothing is guessed. A price is looked up once
for each provider, model and day, because a look-up takes as long as indexing two spans.
"""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol

import genai_prices
from genai_prices import Usage, data_snapshot
from genai_prices.types import ModelPrice, TieredPrices

DAY_US = 86_400_000_000
NANO = 1_000_000_000
_CACHED_PRICES = 10_000
_MTOK_NANO = NANO // 1_000_000
_PROVIDERS = {"mistralai": "mistral", "xai": "x-ai", "vertexai": "google"}
"""OpenInference's names where genai-prices has another."""


@dataclass(frozen=True, slots=True)
class Call:
    """`cache_read` and `cache_write` are part of `prompt`."""

    provider: str
    model: str
    at_us: int
    prompt: int
    completion: int
    cache_read: int = 0
    cache_write: int = 0


class Price(Protocol):
    """`source` names where prices come from."""

    source: str

    def __call__(self, call: Call) -> int | None:
        """Nano-dollars, or None where the price is not known."""


@dataclass(frozen=True, slots=True)
class _Rates:
    """Nano-dollars a token, good while the prompt has at most `up_to` tokens."""

    prompt: float
    completion: float
    cache_read: float
    cache_write: float
    up_to: int
    exact: ModelPrice

    def cost(self, call: Call) -> int:
        if call.prompt > self.up_to:
            return _exact_cost(self.exact, call)
        fresh = max(0, call.prompt - call.cache_read - call.cache_write)
        return round(
            fresh * self.prompt
            + call.cache_read * self.cache_read
            + call.cache_write * self.cache_write
            + call.completion * self.completion
        )


class GenaiPrices:
    """A `Price`. `source` names the tables and their version."""

    source = f"genai-prices {genai_prices.__version__}"

    def __init__(self) -> None:
        self._rates: dict[tuple[str, str, int], _Rates | None] = {}

    def __call__(self, call: Call) -> int | None:
        key = call.provider, call.model, call.at_us // DAY_US
        if key not in self._rates:
            if len(self._rates) >= _CACHED_PRICES:
                self._rates.clear()
            self._rates[key] = _look_up(call)
        rates = self._rates[key]
        return rates.cost(call) if rates else None


def _look_up(call: Call) -> _Rates | None:
    provider = _PROVIDERS.get(call.provider, call.provider) or None
    try:
        _, model = data_snapshot.get_snapshot().find_provider_model(
            call.model, None, provider, None
        )
    except LookupError:
        return None
    return _rates_of(model.get_prices(datetime.fromtimestamp(call.at_us / 1e6, UTC)))


def _rates_of(price: ModelPrice) -> _Rates | None:
    prompt, completion = price.input_mtok, price.output_mtok
    if prompt is None and completion is None:
        return None
    read, write = price.cache_read_mtok, price.cache_write_mtok
    tiers = [one for one in (prompt, completion, read, write) if isinstance(one, TieredPrices)]
    return _Rates(
        prompt=_base(prompt),
        completion=_base(completion),
        cache_read=_base(prompt if read is None else read),
        cache_write=_base(prompt if write is None else write),
        up_to=min((tier.start for one in tiers for tier in one.tiers), default=sys.maxsize),
        exact=price,
    )


def _base(price: Decimal | TieredPrices | None) -> float:
    if price is None:
        return 0.0
    return float(price.base if isinstance(price, TieredPrices) else price) * _MTOK_NANO


def _exact_cost(price: ModelPrice, call: Call) -> int:
    usage = Usage(
        input_tokens=max(call.prompt, call.cache_read + call.cache_write),
        output_tokens=call.completion,
        cache_read_tokens=call.cache_read,
        cache_write_tokens=call.cache_write,
    )
    return round(price.calc_price(usage)["total_price"] * NANO)
