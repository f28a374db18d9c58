"""What can be asked about traces, sessions and usage.

Rule: plain values, checked where they are made; a query made of them needs no further check. Times
are in microseconds since the epoch, a range is [since, until).
"""

from dataclasses import dataclass
from enum import StrEnum

from roost.errors import BadRequest

PAGE_ROWS = 50
MAX_PAGE_ROWS = 500
MAX_TEXT_CHARS = 200
_GREATEST = 1 << 62


class Status(StrEnum):
    UNSET = "UNSET"
    OK = "OK"
    ERROR = "ERROR"


STATUSES = (Status.UNSET, Status.OK, Status.ERROR)
"""By the code that OTLP gives them."""


class SortBy(StrEnum):
    START = "start"
    LATENCY = "latency"
    TOKENS = "tokens"
    COST = "cost"
    SPANS = "spans"
    ERRORS = "errors"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Sort:
    by: SortBy = SortBy.START
    descending: bool = True


@dataclass(frozen=True, slots=True)
class AnnotationFilter:
    """Traces that carry an annotation of that name, on themselves or on one of their spans, with
    that label, and a score from `min_score` to `max_score`, both included."""

    name: str
    label: str | None = None
    min_score: float | None = None
    max_score: float | None = None


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """All that is given must hold. Ranges of numbers include both ends.

    `status`, `kind` and `name` are those of the trace's root; `model`, `provider`, `user` and
    `span_kind` those of any of its spans. `text`: each of its words occurs somewhere in the trace,
    whatever its case and accents; `rain*` stands for all words that begin so.
    """

    project: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    status: Status | None = None
    kind: str | None = None
    name: str | None = None
    model: str | None = None
    provider: str | None = None
    user: str | None = None
    session: str | None = None
    span_kind: str | None = None
    has_errors: bool | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None
    min_cost_usd: float | None = None
    max_cost_usd: float | None = None
    min_latency_us: int | None = None
    max_latency_us: int | None = None
    text: str = ""
    annotation: AnnotationFilter | None = None

    def __post_init__(self) -> None:
        if len(self.text) > MAX_TEXT_CHARS:
            raise BadRequest(f"search for at most {MAX_TEXT_CHARS} characters")
        for number in (
            self.since_us, self.until_us, self.min_tokens, self.max_tokens, self.min_latency_us,
            self.max_latency_us, self.min_cost_usd, self.max_cost_usd,
        ):  # fmt: skip
            if number is not None and not abs(number) < _GREATEST:
                raise BadRequest(f"{number} is not a number that can be filtered by")


class Dimension(StrEnum):
    """What facets are made of."""

    MODEL = "model"
    PROVIDER = "provider"
    USER = "user"
    STATUS = "status"
    KIND = "kind"
    NAME = "name"
    SPAN_KIND = "span_kind"


class Grain(StrEnum):
    HOUR = "hour"
    DAY = "day"


class UsageBy(StrEnum):
    """What a series or a top list is grouped by. NONE is one group named ""."""

    NONE = "none"
    MODEL = "model"
    PROVIDER = "provider"
    USER = "user"
    PROJECT = "project"


class Measure(StrEnum):
    COST = "cost"
    TOKENS = "tokens"
    TRACES = "traces"
    SPANS = "spans"
    ERRORS = "errors"
    LATENCY = "latency"
    """The 90th percentile."""


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """Whole hours or days of UTC that touch [since, until). `user` stands for the traces whose
    first user that is."""

    since_us: int
    until_us: int
    grain: Grain = Grain.DAY
    by: UsageBy = UsageBy.NONE
    project: str | None = None
    model: str | None = None
    provider: str | None = None
    user: str | None = None
    max_groups: int = 20
    """The rest is one more group, named None."""

    def __post_init__(self) -> None:
        if not 0 <= self.since_us <= self.until_us < _GREATEST:
            raise BadRequest("a range of time begins after 1970 and before it ends")
