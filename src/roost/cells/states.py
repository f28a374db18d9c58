"""What a managed cell can be doing.

Rule: values only; times are seconds since the epoch.
"""

from dataclasses import dataclass

from roost.cells.environment import CellSpec


@dataclass(frozen=True, slots=True)
class RunningCell:
    """A cell that has proved to be ours. `instance` is another at every start."""

    spec: CellSpec
    instance: str
    pid: int
    started_at: float

    @property
    def address(self) -> str:
        return self.spec.address

    @property
    def admin_secret(self) -> str:
        return self.spec.secrets.admin


@dataclass(frozen=True, slots=True)
class Asleep:
    pass


@dataclass(frozen=True, slots=True)
class Waking:
    """`phase` is what is done now, to be shown; `fraction` of it from 0 to 1, where known."""

    phase: str
    since: float
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Up:
    running: RunningCell


@dataclass(frozen=True, slots=True)
class Stopping:
    since: float


@dataclass(frozen=True, slots=True)
class Failed:
    """`reason` is for the operator. Before `retry_at` nothing is tried."""

    reason: str
    retry_at: float


CellState = Asleep | Waking | Up | Stopping | Failed
