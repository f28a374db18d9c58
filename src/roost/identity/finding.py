"""What is amiss with an identity, and the line that mends it. For the log, `doctor`, `explain`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`reason` says what is amiss; `fix` is text to paste (a line of `roost.toml`, or a callback
    for the host's code)."""

    reason: str
    fix: str
