"""Phoenix inside your app: `app.mount("/api/phoenix", Roost(...))`."""

from roost.gateway import Roost
from roost.identity.host_user import HostUser
from roost.settings import Settings

__all__ = ["HostUser", "Roost", "Settings"]
