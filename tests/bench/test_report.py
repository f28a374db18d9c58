import math
from dataclasses import replace

from bench.questions import Group
from bench.report import tables, verdicts
from bench.results import Results, Row
from bench.timing import Timing

FAST, SLOW = Timing(2.0, 3.0, 1.0, 9), Timing(900.0, 1_000.0, 800.0, 9)
NEVER = Timing(math.inf, math.inf, 5_000.0)


def row(name: str, group: Group, phoenix: Timing | None = None) -> Row:
    return Row(name, group, FAST, FAST, phoenix, 10_000, 500_000, 1.0)


def results(spans: int = 100_000) -> Results:
    rows = (
        row("newest", Group.LIST, SLOW),
        row("tree of 10,000 spans", Group.TREE, NEVER),
        row("six charts", Group.USAGE, SLOW),
        row("by start", Group.SORT),
        row("a user", Group.EQUALITY),
        row("a model and errors", Group.OTHER),
    )
    return Results(spans, 7_000, rows)


def missed(*found: Results) -> list[str]:
    return [one.what for one in verdicts(found) if one.is_missed]


def changed(found: Results, group: Group, roost: Timing) -> Results:
    rows = [replace(one, roost=roost) if one.group is group else one for one in found.rows]
    return replace(found, rows=tuple(rows))


def test_nothing_is_missed_where_all_is_fast() -> None:
    assert missed(results(), results(5_000_000)) == []


def test_a_list_must_be_fast_and_a_hundred_times_faster() -> None:
    slow = changed(results(), Group.LIST, Timing(10.0, 16.0, 1.0))
    assert missed(slow) == ["newest, at 100,000, p95", "newest, at 100,000, beside Phoenix"]


def test_the_ratio_that_counts_is_the_lesser_of_time_and_cpu() -> None:
    hungry = changed(results(), Group.LIST, Timing(2.0, 3.0, 9.0))
    assert missed(hungry) == ["newest, at 100,000, beside Phoenix"]


def test_one_value_must_cost_the_same_at_any_size() -> None:
    large = changed(results(5_000_000), Group.EQUALITY, Timing(3.2, 4.0, 1.0))
    assert missed(results(), large) == [
        "filter for one value, 100,000 to 5,000,000, the worst (a user)"
    ]


def test_other_combinations_trees_and_charts_have_their_limits() -> None:
    for group, p95_ms in ((Group.OTHER, 301.0), (Group.TREE, 301.0), (Group.USAGE, 10.1)):
        assert len(missed(changed(results(), group, Timing(2.0, p95_ms)))) == 1


def test_no_answer_in_time_is_said_with_the_cpu_that_it_took() -> None:
    line = next(one for one in tables([results()]) if one.startswith("| tree of 10,000"))
    assert "no answer in time | | 5,000 |" in line
    assert "> 5,000" in line


def test_rows_have_as_many_cells_as_their_heads() -> None:
    cells = 0
    for line in tables([results(), results(5_000_000)]):
        cells = line.count("|") if line.startswith("| ") and not cells else cells
        assert not line.startswith("|") or line.count("|") == cells, line
        cells = 0 if not line.startswith("|") else cells
