"""The control database as one value: an engine and the stores on it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from roost.storage.attachments import Attachments
from roost.storage.engine import CONTROL, open_database
from roost.storage.installation import Installation
from roost.storage.keys import Keys
from roost.storage.sessions import Sessions
from roost.storage.sightings import Sightings
from roost.storage.tenants import Tenants


@dataclass(frozen=True, slots=True)
class Control:
    installation: Installation
    tenants: Tenants
    keys: Keys
    sessions: Sessions
    sightings: Sightings
    attachments: Attachments


@asynccontextmanager
async def control_database(url: str, clock: Callable[[], float]) -> AsyncIterator[Control]:
    engine = await open_database(url, CONTROL)
    try:
        yield Control(
            Installation(engine),
            Tenants(engine, clock),
            Keys(engine, clock),
            Sessions(engine, clock),
            Sightings(engine, clock),
            Attachments(engine, clock),
        )
    finally:
        await engine.dispose()
