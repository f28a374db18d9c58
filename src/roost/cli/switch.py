"""`roost on` and `roost off`: the whole integration behind one switch."""

from roost.cli.connection import with_keeper
from roost.cli.console import out
from roost.http import messages as m


def on() -> None:
    """Show UI and API again."""
    _switch(True)
    out.print("Roost is on.")


def off() -> None:
    """Hide UI and API behind 404; spans are still taken."""
    _switch(False)
    out.print("Roost is off: UI and API answer 404, spans are still taken.")


def _switch(enabled: bool) -> None:
    with_keeper(lambda keeper: keeper.ask("switch", m.Done, m.Switch(enabled)))
