"""Phoenix inside your app: `app.mount("/api/phoenix", Roost(...))`.

The names are loaded when they are first asked for: a cell's process imports a part of this
package and must stay small.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roost.analytics.tracker import Analytics
    from roost.gateway import Roost
    from roost.identity.host_user import HostUser
    from roost.settings import Settings

__all__ = ["Analytics", "HostUser", "Roost", "Settings"]

_HOMES = {
    "Analytics": "roost.analytics.tracker",
    "HostUser": "roost.identity.host_user",
    "Roost": "roost.gateway",
    "Settings": "roost.settings",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'roost' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
