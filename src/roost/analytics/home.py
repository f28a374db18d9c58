"""The events of one open home: what takes them, and what answers about them."""

from dataclasses import dataclass

from roost.analytics.queries import EventQueries
from roost.analytics.store import EventStore


@dataclass(frozen=True, slots=True)
class HomeEvents:
    store: EventStore
    queries: EventQueries
