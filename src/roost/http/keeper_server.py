"""The keeper's Unix socket: OPERATIONS maps each name to a method of KeeperApi."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from roost.errors import RoostError, Unavailable
from roost.http import messages as m
from roost.http.keeper_api import KeeperApi

log = logging.getLogger("roost.keeper")

Operation = tuple[type[Struct] | None, Callable[..., Awaitable[Any]]]


def operations(api: KeeperApi) -> Mapping[str, Operation]:
    """Name → (question, what answers it)."""
    return {
        "status": (None, api.status),
        "retire": (None, api.retire),
        "switch": (m.Switch, api.switch),
        "prove/key": (m.KeyProof, api.prove_key),
        "prove/session": (m.SessionProof, api.prove_session),
        "links/create": (m.NewLink, api.new_link),
        "sessions/begin": (m.BeginSession, api.begin_session),
        "proofs/revoke": (m.Revocation, api.revoke),
        "sightings/note": (m.Sighting, api.see),
        "sightings/list": (None, api.sightings),
        "tenants/create": (m.NewTenant, api.create_tenant),
        "tenants/list": (None, api.list_tenants),
        "tenants/delete": (m.TenantName, api.delete_tenant),
        "keys/create": (m.NewKey, api.create_key),
        "keys/list": (m.TenantName, api.list_keys),
        "keys/revoke": (m.KeyName, api.revoke_key),
        "cells/route": (m.Person, api.route),
        "cells/used": (m.CellsUsed, api.cells_used),
        "cells/list": (None, api.list_cells),
        "cells/stop": (m.TenantName, api.stop_cell),
        "cells/logs": (m.TenantName, api.cell_logs),
        "cells/attach": (m.Attach, api.attach_cell),
        "cells/detach": (m.TenantName, api.detach_cell),
        "ingest/erase": (m.Erase, api.erase),
        "ingest/erased": (m.Erased, api.erased),
        "ingest/arrived": (m.Arrival, api.arrived),
        "ingest/reconcile": (m.Reconcile, api.reconcile),
        "ingest/known": (m.SpanIds, api.known_spans),
        "ingest/project": (m.ProjectId, api.project_name),
        "ingest/status": (None, api.ingest_status),
        "ingest/parked": (m.ParkedQuery, api.ingest_parked),
        "ingest/retry": (m.Retry, api.ingest_retry),
        "ingest/rebuild": (m.Rebuild, api.ingest_rebuild),
    }


def keeper_app(api: KeeperApi, *more: Route) -> Starlette:
    """The ASGI app behind the socket; `more` is what other desks serve."""
    routes = [route(name, *operation) for name, operation in operations(api).items()]
    special = [
        Route("/watch", _watch(api)),
        Route("/append", _append(api), methods=["POST"]),
    ]
    return Starlette(routes=[*routes, *special, *more])


def route(name: str, question: type[Struct] | None, answer: Callable[..., Awaitable[Any]]) -> Route:
    """An operation with a question and an answer in JSON."""
    return Route(f"/{name}", _endpoint(question, answer), methods=["POST"])


def _endpoint(
    question: type[Struct] | None, answer: Callable[..., Awaitable[Any]]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            if question is None:
                result = await answer()
            else:
                result = await answer(msgspec.json.decode(await request.body(), type=question))
        except msgspec.DecodeError as error:
            return refused(RoostError(f"Not this keeper's language: {error}", status=400))
        except RoostError as error:
            return refused(error)
        return Response(msgspec.json.encode(result), media_type="application/json")

    return endpoint


def _append(api: KeeperApi) -> Callable[[Request], Awaitable[Response]]:
    """The one operation whose question is MessagePack: it carries bytes by the megabyte."""

    async def append(request: Request) -> Response:
        try:
            question = msgspec.msgpack.decode(await request.body(), type=m.Append)
            said = await api.append(question)
        except msgspec.DecodeError as error:
            return refused(RoostError(f"Not this keeper's language: {error}", status=400))
        except RoostError as error:
            return refused(error)
        return Response(msgspec.json.encode(said), media_type="application/json")

    return append


def refused(error: RoostError) -> Response:
    """An error as it crosses the socket."""
    refusal = m.Refusal(
        kind=type(error).__name__,
        message=error.message,
        reason=error.reason,
        status=error.status,
        retry_after_s=error.retry_after_s if isinstance(error, Unavailable) else 0,
    )
    return Response(msgspec.json.encode(refusal), error.status)


def _watch(api: KeeperApi) -> Callable[[Request], Awaitable[Response]]:
    async def watch(request: Request) -> Response:
        return StreamingResponse(_lines(api), media_type="application/x-ndjson")

    return watch


async def _lines(api: KeeperApi) -> AsyncIterator[bytes]:
    async for event in api.broadcast.events(api.snapshot):
        yield msgspec.json.encode(event) + b"\n"
