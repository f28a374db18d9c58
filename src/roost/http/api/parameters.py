"""Every query parameter of Roost's own API, and what filters, sorts and ranges are made of them.

Rule: one name means one thing, whichever row takes it.
"""

from enum import StrEnum

from roost.errors import BadRequest
from roost.http.api import kinds
from roost.http.api.given import Given, Parameter
from roost.http.api_messages import Format
from roost.index.filters import (
    MAX_PAGE_ROWS,
    MAX_TEXT_CHARS,
    PAGE_ROWS,
    AnnotationFilter,
    Dimension,
    Grain,
    Measure,
    Sort,
    SortBy,
    Status,
    TraceFilter,
    UsageBy,
    UsageQuery,
)
from roost.index.sessions import SessionFilter

DAY_US = 86_400_000_000
USAGE_DAYS = 30
BARS = 60
_COUNT = kinds.whole(0, 10**15)


class Order(StrEnum):
    """What `sort` takes; a minus in front is descending."""

    START = "start"
    NEWEST = "-start"
    LATENCY = "latency"
    SLOWEST = "-latency"
    TOKENS = "tokens"
    MOST_TOKENS = "-tokens"
    COST = "cost"
    DEAREST = "-cost"
    SPANS = "spans"
    MOST_SPANS = "-spans"
    ERRORS = "errors"
    MOST_ERRORS = "-errors"
    NAME = "name"
    LAST_NAME = "-name"


PROJECT = Parameter("project", kinds.text(), "A project's name; all where left out.")
SINCE = Parameter("since", kinds.time_us(), "Began then or later.", example="2020-01-01T00:00:00Z")
UNTIL = Parameter("until", kinds.time_us(), "Began before.", example="4102444800")
STATUS = Parameter("status", kinds.choice(Status), "Of the root.")
KIND = Parameter("kind", kinds.text(40), "OpenInference kind of the root.", example="AGENT")
NAME = Parameter("name", kinds.text(), "Name of the root.")
MODEL = Parameter("model", kinds.text(), "A model that was called.")
PROVIDER = Parameter("provider", kinds.text(), "A provider whose model was called.")
USER = Parameter("user", kinds.text(), "`user.id` of a span.")
SESSION = Parameter("session", kinds.text(), "The session's id.")
SPAN_KIND = Parameter("span_kind", kinds.text(40), "Kind of a span in it.")
HAS_ERRORS = Parameter("has_errors", kinds.flag(), "Whether a span has failed.")
MIN_TOKENS = Parameter("min_tokens", _COUNT, "At least so many tokens.")
MAX_TOKENS = Parameter("max_tokens", _COUNT, "At most so many tokens.")
MIN_COST = Parameter("min_cost_usd", kinds.number(), "At least that dear.")
MAX_COST = Parameter("max_cost_usd", kinds.number(), "At most that dear.")
MIN_LATENCY = Parameter("min_latency_us", _COUNT, "At least so many microseconds.")
MAX_LATENCY = Parameter("max_latency_us", _COUNT, "At most so many microseconds.")
TEXT = Parameter(
    "text",
    kinds.text(MAX_TEXT_CHARS),
    "Words that occur in it, the last one at least as a beginning.",
)
ANNOTATION = Parameter("annotation", kinds.text(), "Name of an annotation that it carries.")
LABEL = Parameter("annotation_label", kinds.text(), "With that label.")
MIN_SCORE = Parameter("annotation_min_score", kinds.number(), "With at least that score.")
MAX_SCORE = Parameter("annotation_max_score", kinds.number(), "With at most that score.")

TRACE_FILTER: tuple[Parameter[object], ...] = (
    PROJECT, SINCE, UNTIL, STATUS, KIND, NAME, MODEL, PROVIDER, USER, SESSION, SPAN_KIND,
    HAS_ERRORS, MIN_TOKENS, MAX_TOKENS, MIN_COST, MAX_COST, MIN_LATENCY, MAX_LATENCY, TEXT,
    ANNOTATION, LABEL, MIN_SCORE, MAX_SCORE,
)  # fmt: skip

SORT = Parameter(
    "sort", kinds.choice(Order), "A minus in front is descending.", "-start", "-latency"
)
CURSOR = Parameter("cursor", kinds.text(), "The `next` of the page before.")
LIMIT = Parameter(
    "limit", kinds.whole(1, MAX_PAGE_ROWS), "How many at most.", str(PAGE_ROWS), example="20"
)
DIMENSIONS = Parameter(
    "dimensions", kinds.choices(Dimension), "Which, with commas.", "all", example="model,status"
)
VALUES = Parameter("values", kinds.whole(1, 100), "How many of each.", "10")
WIDTH = Parameter(
    "width_s", kinds.whole(1, 366 * 86_400), "How long a bar is.", f"one that gives {BARS} or fewer"
)
TREE_LIMIT = Parameter("limit", kinds.whole(1, 50_000), "How many spans at most.", "50000")
PATH = Parameter(
    "path",
    kinds.text(2_000),
    "Which value: the `path` of a cut value's `href`.",
    example="attributes.input.value",
    is_required=True,
)
OFFSET = Parameter("offset", kinds.whole(0, 10**9), "In characters.", "0")
VALUE_LIMIT = Parameter("limit", kinds.whole(1, 1_000_000), "In characters.", "65536", "100")

ENDED_SINCE = Parameter("since", kinds.time_us(), "Ended then or later.", example="1600000000")
ENDED_BEFORE = Parameter("until", kinds.time_us(), "Ended before.")

USAGE_SINCE = Parameter(
    "since", kinds.time_us(), "Whole hours or days that touch it.", f"{USAGE_DAYS} days before"
)
USAGE_UNTIL = Parameter("until", kinds.time_us(), "Up to there.", "now")
GRAIN = Parameter("grain", kinds.choice(Grain), "Hours or days of UTC.", "day", example="day")
BY = Parameter("by", kinds.choice(UsageBy), "What groups are made by.", "none", example="model")
TOP_BY = Parameter("by", kinds.choice(UsageBy), "What groups are made by.", "model", "provider")
GROUPS = Parameter("groups", kinds.whole(1, 200), "How many; the rest is one more.", "20")
MEASURE = Parameter("measure", kinds.choice(Measure), "What counts.", "cost", example="tokens")
TOP_LIMIT = Parameter("limit", kinds.whole(1, 200), "How many groups at most.", "10")

FORMAT = Parameter("format", kinds.choice(Format), "JSON lines, or CSV.", "jsonl", example="csv")
BODIES = Parameter("bodies", kinds.flag(), "A line a span with all it holds.", "false")
AFTER = Parameter("after", kinds.whole(0, 10**18), "The `next` of the page before.", "0")
PARKED_LIMIT = Parameter("limit", kinds.whole(1, 500), "How many at most.", "100")


def trace_filter(given: Given) -> TraceFilter:
    """BadRequest where an annotation's label or score is asked for without its name."""
    return TraceFilter(
        project=given.get(PROJECT),
        since_us=given.get(SINCE),
        until_us=given.get(UNTIL),
        status=given.get(STATUS),
        kind=_upper(given.get(KIND)),
        name=given.get(NAME),
        model=given.get(MODEL),
        provider=given.get(PROVIDER),
        user=given.get(USER),
        session=given.get(SESSION),
        span_kind=_upper(given.get(SPAN_KIND)),
        has_errors=given.get(HAS_ERRORS),
        min_tokens=given.get(MIN_TOKENS),
        max_tokens=given.get(MAX_TOKENS),
        min_cost_usd=given.get(MIN_COST),
        max_cost_usd=given.get(MAX_COST),
        min_latency_us=given.get(MIN_LATENCY),
        max_latency_us=given.get(MAX_LATENCY),
        text=given.get(TEXT, ""),
        annotation=_annotation(given),
    )


def sort(given: Given) -> Sort:
    order = given.get(SORT, Order.NEWEST)
    return Sort(SortBy(order.removeprefix("-")), order.startswith("-"))


def ranged(given: Given) -> TraceFilter:
    """With both ends: the last day where they are left out."""
    until = given.get(UNTIL, given.now_us)
    since = given.get(SINCE, max(0, until - DAY_US))
    if since >= until:
        raise BadRequest("`since` lies before `until`.")
    return trace_filter(
        Given(given.now_us, given.path, {**given.values, "since": since, "until": until})
    )


def width_us(given: Given, wanted: TraceFilter) -> int:
    """As asked, or the first round one that gives BARS at most."""
    if (width_s := given.get(WIDTH)) is not None:
        return width_s * 1_000_000
    span_s = ((wanted.until_us or 0) - (wanted.since_us or 0)) / 1_000_000
    days = -(-span_s // (86_400 * BARS))
    return round(next((one for one in _WIDTHS_S if one * BARS >= span_s), days * 86_400)) * 10**6


_WIDTHS_S = (1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400)


def session_filter(given: Given) -> SessionFilter:
    return SessionFilter(
        given.get(PROJECT), given.get(ENDED_SINCE), given.get(ENDED_BEFORE), given.get(USER)
    )


def usage_query(given: Given, by: UsageBy) -> UsageQuery:
    until = given.get(USAGE_UNTIL, given.now_us)
    return UsageQuery(
        since_us=given.get(USAGE_SINCE, max(0, until - USAGE_DAYS * DAY_US)),
        until_us=until,
        grain=given.get(GRAIN, Grain.DAY),
        by=by,
        project=given.get(PROJECT),
        model=given.get(MODEL),
        provider=given.get(PROVIDER),
        user=given.get(USER),
        max_groups=given.get(GROUPS, 20),
    )


def _annotation(given: Given) -> AnnotationFilter | None:
    name, label = given.get(ANNOTATION), given.get(LABEL)
    least, most = given.get(MIN_SCORE), given.get(MAX_SCORE)
    if name is None:
        if (label, least, most) != (None, None, None):
            raise BadRequest("An annotation's label or score needs its name: `annotation=…`.")
        return None
    return AnnotationFilter(name, label, least, most)


def _upper(text: str | None) -> str | None:
    return None if text is None else text.upper()
