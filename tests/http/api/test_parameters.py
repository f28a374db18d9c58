"""Any query string is answered, refused or not found; never a fault."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.http.api.conftest import furnish
from tests.http.api.spans import span_id, trace_id
from tests.http.api.world import World, world

from roost.errors import BadRequest
from roost.http.api import kinds
from roost.http.api.given import Parameter, read
from roost.http.api.table import ROWS, Row

GETS = [row for row in ROWS if row.method == "GET"]
IDS = {"trace": trace_id(1), "span": span_id(12), "session": "shared"}
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)


def values_of(parameter: Parameter[object]) -> st.SearchStrategy[str]:
    """Good ones, odd ones, and rubbish."""
    schema = parameter.kind.schema
    some = [TEXTS, st.sampled_from(["0", "-1", "1", "500", "1e9", "9" * 18, "nan", "", "true"])]
    if isinstance(choices := schema.get("enum"), list):
        some.append(st.sampled_from(choices))
    if parameter.example is not None:
        some.append(st.just(parameter.example))
    if "anyOf" in schema:
        some.append(st.datetimes().map(lambda moment: moment.isoformat()))
        some.append(st.floats(0, 2e9).map(lambda seconds: f"{seconds:.3f}"))
    return st.one_of(some)


@st.composite
def calls(draw: st.DrawFn) -> tuple[Row, str]:
    row = draw(st.sampled_from(GETS))
    given = draw(st.lists(st.sampled_from(row.parameters), max_size=4)) if row.parameters else []
    pairs = [(one.name, draw(values_of(one))) for one in given]
    if draw(st.integers(0, 9)) == 0:
        pairs.append((draw(TEXTS), draw(TEXTS)))
    return row, urlencode(pairs)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def full(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder: Path = tmp_path_factory.mktemp("world")
    async with world(folder) as one:
        await furnish(one)
        yield one


@pytest.mark.asyncio(loop_scope="module")
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(call=calls(), who=st.sampled_from(["vera", "ann", "mia"]))
async def test_any_query_is_answered_or_refused(
    full: World, call: tuple[Row, str], who: str
) -> None:
    row, query = call
    answer = await full.ask("GET", who, row.path.format(**IDS), query=query)
    assert answer.status_code in (200, 400, 403, 404), (row.name, query, answer.text)


@given(st.text(max_size=40))
def test_a_time_is_read_or_refused(text: str) -> None:
    with suppress(kinds.Fault):
        assert 0 <= kinds.time_us().read(text) <= 253_402_300_799_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1790000000.25", 1_790_000_000.25),
        ("2026-09-21", 1_789_948_800),
        ("2026-09-21T14:13:20", 1_790_000_000),
        ("2026-09-21T16:13:20 02:00", 1_790_000_000),
        ("2026-09-21T16:13:20+02:00", 1_790_000_000),
    ],
)
def test_a_time_may_be_written_as(text: str, seconds: float) -> None:
    assert kinds.time_us().read(text) == round(seconds * 1_000_000)


@pytest.mark.parametrize("text", ["1969-12-31", "-1", "10000-01-01", "0001-01-01T00:00:00+14:00"])
def test_a_time_out_of_all_bounds_is_refused(text: str) -> None:
    with pytest.raises(kinds.Fault):
        kinds.time_us().read(text)


def test_a_parameter_that_is_not_known_is_named() -> None:
    with pytest.raises(BadRequest, match="'colour' is not known here: use limit"):
        read("colour=red", (Parameter("limit", kinds.whole(1, 2), ""),))
