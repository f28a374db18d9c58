"""What keeper and zygote tell each other about one process.

Rule: standard library only; the zygote imports this beside Phoenix.
"""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

EXIT_OUT_OF_MEMORY = 71
"""What a cell ends with where Python ran into the memory ceiling while it started."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a process needs to become a cell. It holds secrets, so it travels by a pipe that only
    the new process reads: the zygote's memory, which all cells inherit, never sees it."""

    environment: Mapping[str, str] = field(repr=False)
    working_dir: str
    memory_bytes: int
    arguments: Sequence[str] = ("serve",)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Job":
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class ExitReason:
    """Why a process ended: its exit code, or the signal that ended it; neither where whoever
    watched it died first."""

    code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False

    @classmethod
    def from_code(cls, code: int, *, oom: bool = False) -> "ExitReason":
        """`code` as `subprocess` gives it: negative for a signal. `oom`: the kernel killed
        something for want of memory meanwhile.

        >>> str(ExitReason.from_code(1)), str(ExitReason.from_code(-11))
        ('ended with exit code 1', 'ended by SIGSEGV')
        >>> str(ExitReason.from_code(-9, oom=True)), str(ExitReason())
        ('out of memory', 'its launcher died')
        """
        if code < 0:
            return cls(signal=-code, out_of_memory=oom and -code == signal.SIGKILL)
        return cls(code=code, out_of_memory=code == EXIT_OUT_OF_MEMORY)

    def __str__(self) -> str:
        if self.out_of_memory:
            return "out of memory"
        if self.signal is not None:
            return f"ended by {signal.Signals(self.signal).name}"
        return "its launcher died" if self.code is None else f"ended with exit code {self.code}"


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory; 0 where it does not tell."""
    try:
        with open("/proc/vmstat", encoding="ascii") as file:  # noqa: PTH123 - light on imports
            rows = dict(line.split() for line in file)
    except OSError:
        return 0
    return int(rows.get("oom_kill", 0))


def pipe_with(content: bytes) -> int:
    """The read end of a pipe that holds `content` (under 64 KB, a pipe's room) and then ends."""
    read_end, write_end = os.pipe()
    try:
        os.write(write_end, content)
    finally:
        os.close(write_end)
    return read_end
