"""Tables of a run in Markdown, and its targets (design, section 8) beside what was reached."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.questions import Group
from bench.results import Results, Row

LIST_RATIO_MIN, LIST_P95_MS = 100.0, 15.0
SCALING_MAX = 1.5
OTHER_P95_MS = 300.0
TREE_SPANS, TREE_P95_MS, TREE_KB = 10_000, 300.0, 250.0
USAGE_P95_MS = 10.0
_BESIDE = (Group.LIST, Group.SESSIONS, Group.TREE, Group.USAGE)
_ALONE = (Group.SORT, Group.EQUALITY, Group.OTHER)


@dataclass(frozen=True, slots=True)
class Verdict:
    what: str
    target: str
    reached: str
    is_missed: bool

    def __str__(self) -> str:
        return f"{self.what}: {self.reached} (target {self.target})"


def tables(found: Sequence[Results]) -> Iterator[str]:
    for one in found:
        yield from _beside(one)
    yield from _scaling(found)
    yield from _targets(found)


def _beside(found: Results) -> Iterator[str]:
    yield f"\n### {found.spans:,} spans, {found.traces:,} traces\n"
    if found.has_phoenix:
        yield (
            "| ms | Phoenix p50 | p95 | CPU | KB | Roost p50 | p95 | CPU | KB | index alone | "
            + ("times faster | by CPU | same |")
        )
        yield "|---|" + "---:|" * 12
        yield from (_both(row) for row in found.of(*_BESIDE))
        return
    yield "| ms | Roost p50 | p95 | CPU | KB | index alone |"
    yield "|---|" + "---:|" * 5
    yield from (f"| {row.name} | {_ours(row)} |" for row in found.of(*_BESIDE))


def _both(row: Row) -> str:
    theirs, ratios = "not asked | | |", " | | "
    if row.phoenix is not None and not row.phoenix.is_answered:
        theirs = f"no answer in time | | {row.phoenix.cpu_ms:,.0f} |"
        ratios = f" | > {row.cpu_ratio:,.0f} | "
    elif row.phoenix is not None:
        times = f"{row.phoenix.p50_ms:,.0f} | {row.phoenix.p95_ms:,.0f} | {row.phoenix.cpu_ms:,.0f}"
        theirs = f"{times} | {_kb(row.phoenix_bytes)}"
        same = "" if math.isnan(row.agreed) else f"{row.agreed:.0%}"
        ratios = f"{row.ratio:,.0f} | {row.cpu_ratio:,.0f} | {same}"
    return f"| {row.name} | {theirs} | {_ours(row)} | {ratios} |"


def _ours(row: Row) -> str:
    roost = row.roost
    times = f"{roost.p50_ms:.1f} | {roost.p95_ms:.1f} | {roost.cpu_ms:.1f}"
    return f"{times} | {_kb(row.roost_bytes)} | {row.index.p50_ms:.2f}"


def _kb(count: int) -> str:
    return f"{count / 1000:,.1f}" if count < 10_000 else f"{count / 1000:,.0f}"


def _scaling(found: Sequence[Results]) -> Iterator[str]:
    yield "\n### Roost alone, pages of 50, by size\n"
    heads = "".join(f" {one.spans:,} p50 | p95 | index |" for one in found)
    yield f"| ms |{heads} grows | index grows |"
    yield "|---|" + "---:|" * (3 * len(found) + 2)
    for rows in zip(*(one.of(*_ALONE) for one in found), strict=True):
        cells = "".join(
            f" {row.roost.p50_ms:.1f} | {row.roost.p95_ms:.1f} | {row.index.p50_ms:.2f} |"
            for row in rows
        )
        growth = f" {_growth(rows):.1f} | {rows[-1].index.p50_ms / rows[0].index.p50_ms:.1f} |"
        yield f"| {rows[0].group}: {rows[0].name} |{cells}{growth}"


def _growth(rows: Sequence[Row]) -> float:
    return rows[-1].roost.p50_ms / rows[0].roost.p50_ms


def _targets(found: Sequence[Results]) -> Iterator[str]:
    yield "\n### Targets\n"
    yield "| what | target | reached | |"
    yield "|---|---|---|---|"
    for one in verdicts(found):
        yield f"| {one.what} | {one.target} | {one.reached} | {'missed' * one.is_missed} |"


def verdicts(found: Sequence[Results]) -> list[Verdict]:
    """A line a target; lists and ratios at the largest size that both sides were asked."""
    beside = [one for one in found if one.has_phoenix]
    lines = [*_lists(beside[-1])] if beside else []
    lines += [*_scales(found)] if len(found) > 1 else []
    lines += [_slowest(found[-1]), *_trees(found[-1]), _charts(found[-1])]
    return lines


def _lists(found: Results) -> Iterator[Verdict]:
    for row in found.of(Group.LIST):
        what = f"{row.name}, at {found.spans:,}"
        p95 = f"{row.roost.p95_ms:.1f} ms"
        yield Verdict(
            f"{what}, p95", f"≤ {LIST_P95_MS:.0f} ms", p95, row.roost.p95_ms > LIST_P95_MS
        )
        ratio, wanted = row.least_ratio, f"≥ {LIST_RATIO_MIN:.0f}x"
        yield Verdict(f"{what}, beside Phoenix", wanted, f"{ratio:.0f}x", ratio < LIST_RATIO_MIN)


def _scales(found: Sequence[Results]) -> Iterator[Verdict]:
    """The worst of each group."""
    for group in (Group.SORT, Group.EQUALITY):
        pairs = zip(found[0].of(group), found[-1].of(group), strict=True)
        growth, name = max((_growth(pair), pair[0].name) for pair in pairs)
        yield Verdict(
            f"{group}, {found[0].spans:,} to {found[-1].spans:,}, the worst ({name})",
            f"≤ {SCALING_MAX}x",
            f"{growth:.2f}x",
            growth > SCALING_MAX,
        )


def _slowest(found: Results) -> Verdict:
    slowest = max(found.of(Group.OTHER), key=lambda row: row.roost.p95_ms)
    return Verdict(
        f"any other combination at {found.spans:,}, p95 of the slowest ({slowest.name})",
        f"≤ {OTHER_P95_MS:.0f} ms",
        f"{slowest.roost.p95_ms:.0f} ms",
        slowest.roost.p95_ms > OTHER_P95_MS,
    )


def _trees(found: Results) -> Iterator[Verdict]:
    for row in found.of(Group.TREE):
        if row.name == f"tree of {TREE_SPANS:,} spans":
            p95, size_kb = row.roost.p95_ms, row.roost_bytes / 1000
            yield Verdict(
                f"{row.name}, p95", f"≤ {TREE_P95_MS:.0f} ms", f"{p95:.0f} ms", p95 > TREE_P95_MS
            )
            yield Verdict(
                f"{row.name}, packed", f"≤ {TREE_KB:.0f} KB", f"{size_kb:.0f} KB", size_kb > TREE_KB
            )


def _charts(found: Results) -> Verdict:
    slowest = max(found.of(Group.USAGE), key=lambda row: row.roost.p95_ms)
    return Verdict(
        f"usage of 30 days at {found.spans:,}, p95 ({slowest.name})",
        f"≤ {USAGE_P95_MS:.0f} ms",
        f"{slowest.roost.p95_ms:.1f} ms",
        slowest.roost.p95_ms > USAGE_P95_MS,
    )
