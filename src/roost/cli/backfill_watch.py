"""How a backfill is shown: bars on a terminal, lines elsewhere. Both on standard error."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from roost.cli.console import err
from roost.ingest.backfill import Tally

LINE_EVERY_S = 10.0


class View(Protocol):
    """A `backfill.Watcher` that is told of waiting too."""

    def begins(self, tally: Tally) -> None: ...

    def moved(self, tally: Tally) -> None: ...

    def ended(self, tally: Tally) -> None: ...

    def waits(self, why: str) -> None: ...


@contextmanager
def shown(console: Console = err) -> Iterator[View]:
    if console.is_terminal:
        with Progress(*_COLUMNS, console=console) as progress:
            yield _Bars(progress)
    else:
        yield _Lines(console)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:.0f} spans/s")


_COLUMNS = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    MofNCompleteColumn(),
    _Rate(),
    TimeRemainingColumn(),
    TextColumn("{task.fields[why]}", markup=False, style="yellow"),
)


@dataclass(slots=True)
class _Bars:
    """`total` is what the source holds: a run that goes on has less to do."""

    progress: Progress
    _task: TaskID | None = None

    def begins(self, tally: Tally) -> None:
        self._task = self.progress.add_task(_named(tally), total=tally.total, why="")

    def moved(self, tally: Tally) -> None:
        if self._task is not None:
            self.progress.update(self._task, completed=tally.spans + tally.rejected, why="")

    def ended(self, tally: Tally) -> None:
        if self._task is not None:
            done = tally.spans + tally.rejected
            self.progress.update(self._task, total=done, completed=done, why="")
        self._task = None
        if tally.refused:
            self.progress.console.print(f"{tally.project}: {tally.refused}", markup=False)

    def waits(self, why: str) -> None:
        if self._task is not None:
            self.progress.update(self._task, why=why)


@dataclass(slots=True)
class _Lines:
    console: Console
    clock: Callable[[], float] = time.monotonic
    _began: float = 0.0
    _told: float = 0.0
    _why: set[str] = field(default_factory=set)

    def begins(self, tally: Tally) -> None:
        self._began = self._told = self.clock()
        of = f" of {tally.total}" if tally.total is not None and not tally.resumed else ""
        self._say(f"{_named(tally)}: begins{of and f', {tally.total} spans'}")

    def moved(self, tally: Tally) -> None:
        self._why.clear()
        if self.clock() >= self._told + LINE_EVERY_S:
            self._told = self.clock()
            self._say(f"{_named(tally)}: {self._so_far(tally)}")

    def ended(self, tally: Tally) -> None:
        self._say(f"{_named(tally)}: {tally.refused or 'done, ' + self._so_far(tally)}")

    def waits(self, why: str) -> None:
        """Once each, until something has moved."""
        if why not in self._why:
            self._why.add(why)
            self._say(f"waiting: {why}")

    def _so_far(self, tally: Tally) -> str:
        seconds = max(self.clock() - self._began, 0.001)
        rate = tally.spans / seconds
        text = f"{tally.spans} spans, {tally.annotations} annotations, {rate:.0f} spans/s"
        left = (tally.total or 0) - tally.spans - tally.rejected
        if left > 0 and rate and not tally.resumed:
            text += f", about {left / rate:.0f} s left"
        return text

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)


def _named(tally: Tally) -> str:
    """
    >>> _named(Tally("chat", "chat", resumed=True)), _named(Tally("chat", "old-chat"))
    ('chat (going on)', 'chat → old-chat')
    """
    name = tally.project if tally.project == tally.into else f"{tally.project} → {tally.into}"
    return f"{name} (going on)" if tally.resumed else name
