"""`roost on` and `roost off`: the whole integration behind one switch."""

from roost.cli.connection import with_keeper
from roost.cli.console import out
from roost.errors import BadRequest
from roost.http import messages as m
from roost.settings import load_settings


def on() -> None:
    """Show UI and API again."""
    _switch(True)
    if not load_settings().enabled:
        raise BadRequest(
            "Roost stays off: the setting `enabled` (ROOST_ENABLED) is false. Set it to true, "
            "then start again."
        )
    out.print("Roost is on.")


def off() -> None:
    """Hide UI and API behind 404; spans are still taken."""
    _switch(False)
    out.print("Roost is off: UI and API answer 404, spans are still taken.")


def _switch(enabled: bool) -> None:
    with_keeper(lambda keeper: keeper.ask("switch", m.Done, m.Switch(enabled)))
