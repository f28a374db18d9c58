"""What the settings mean for parts that gateway and keeper both build."""

from roost.ingest.decode import Limits
from roost.ingest.intake import Terms
from roost.ingest.mask import parse_mask
from roost.ingest.workbench import Workbench
from roost.settings import Settings


def ingest_terms(settings: Settings) -> Terms:
    """The same over HTTP and gRPC."""
    size = settings.max_ingest_bytes
    return Terms(Limits(body_bytes=size, inflated_bytes=size), parse_mask(settings.mask))


def workbench(settings: Settings) -> Workbench:
    return Workbench(settings.ingest_large_batches_max, settings.ingest_waiting_batches_max)
