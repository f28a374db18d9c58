"""From how many on something counts as frequent.

Rule: these choose among ways that give the same answer; they change what it costs, never what it
is.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """`few` traces are gathered and sorted rather than walked; the traces of `rare` hits of a word
    or an annotation are the candidates; those of `lots` of hits are collected, beyond that each
    trace is read. By default each takes about 10, 20 and 100 ms at most."""

    few: int = 4_000
    rare: int = 20_000
    lots: int = 400_000
