"""One running cell as the forward reader meets it: spans in, what it holds, deletions, annotations.

Rule: spans go in as the service's own user; an annotation goes in as its author where they have an
account in the cell. Deletions repeat what an admin of the tenant has asked for and was allowed.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import ClientError
from yarl import URL

from roost.cells.client import CellClient
from roost.cells.ledger import Ledger
from roost.errors import Unavailable
from roost.log.records import Annotation, Deletion

OTLP_TYPE = "application/x-protobuf"
JSON_TYPE = "application/json"
ALWAYS = {"start_time": "0001-01-02T00:00:00Z", "end_time": "9999-12-30T00:00:00Z"}
ANSWER_BYTES_MAX = 1024 * 1024
_SILENT = "This tenant's Phoenix does not answer."
_ID_FIELD = {"span": "span_id", "trace": "trace_id", "session": "session_id"}

TokenOf = Callable[[Annotation | None], Awaitable[str]]
"""The access token of an annotation's author in the cell; of the service where it is None."""


@dataclass(frozen=True, slots=True)
class CellWriter:
    client: CellClient
    ledger: Ledger
    token_of: TokenOf
    forget: Callable[[Annotation | None], None]
    """That author's token is good no longer."""
    is_running: Callable[[], bool]

    @property
    def is_current(self) -> bool:
        return self.is_running()

    async def post(self, payload: bytes) -> int:
        return await self._post_as(None, "/v1/traces", payload, OTLP_TYPE)

    async def stored(self, span_ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        return await self.ledger.stored(span_ids)

    async def delete(self, deletion: Deletion) -> None:
        """What is not there any more is no fault."""
        for kind, ids in (
            ("traces", deletion.traces),
            ("spans", deletion.spans),
            ("sessions", deletion.sessions),
        ):
            for one in ids:
                await self._remove(_path("v1", kind, one))
        if deletion.project is not None:
            await self._clear(deletion.project, deletion.before)

    async def annotate(self, annotations: Sequence[Annotation]) -> Sequence[Annotation]:
        """Those whose target the cell does not hold come back. Unavailable where it fails."""
        left = []
        for one in annotations:
            status = await self._annotate(one)
            if status >= 500:
                raise Unavailable(_SILENT, reason=f"an annotation was answered with {status}")
            if status >= 400:
                left.append(one)
        return left

    async def _annotate(self, one: Annotation) -> int:
        body = msgspec.json.encode({"data": [_as_phoenix_has_it(one)]})
        path = f"/v1/{one.of}_annotations?sync=true"
        return await self._post_as(one, path, body, JSON_TYPE)

    async def _post_as(self, author: Annotation | None, path: str, body: bytes, kind: str) -> int:
        status = await self._send("POST", path, await self.token_of(author), body, kind)
        if status == 401:
            # A token ends before its time where its user was deleted in the cell: sign in anew.
            self.forget(author)
            status = await self._send("POST", path, await self.token_of(author), body, kind)
        return status

    async def _clear(self, project: str, before: float | None) -> None:
        times = ALWAYS if before is None else {**ALWAYS, "end_time": _iso(before)}
        await self._remove(_path("v1", "projects", project, "traces", **times))
        if before is None:
            await self._remove(_path("v1", "projects", project))

    async def _remove(self, path: str) -> None:
        status = await self._send("DELETE", path, self.client.admin_secret)
        if status >= 500:
            raise Unavailable(_SILENT, reason=f"deleting was answered with {status}")

    async def _send(
        self, method: str, path: str, token: str, body: bytes = b"", kind: str = JSON_TYPE
    ) -> int:
        if self.client.session.closed:
            raise Unavailable(_SILENT, reason="the cell ended", retry_after_s=1)
        headers = {"authorization": f"Bearer {token}", "content-type": kind}
        url = URL(self.client.address + path, encoded=True)
        try:
            async with self.client.session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                await answer.content.read(ANSWER_BYTES_MAX)
                return answer.status
        except (ClientError, TimeoutError) as error:
            raise Unavailable(_SILENT, reason=f"{method}: {type(error).__name__}") from None


def _path(*segments: str, **query: str) -> str:
    """
    >>> _path("v1", "projects", "a/b c", end="2026-01-01T00:00:00Z")
    '/v1/projects/a%2Fb%20c?end=2026-01-01T00%3A00%3A00Z'
    """
    path = "".join(f"/{quote(segment, safe='')}" for segment in segments)
    return f"{path}?{urlencode(query)}" if query else path


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _as_phoenix_has_it(one: Annotation) -> dict[str, object]:
    metadata = dict(one.metadata or {})
    if one.role is None and one.subject:
        metadata |= {"roost.subject": one.subject, "roost.subject_name": one.subject_name}
    result = {"label": one.label, "score": one.score, "explanation": one.explanation}
    return {
        _ID_FIELD[one.of]: one.target,
        "name": one.name,
        "annotator_kind": one.annotator_kind,
        "result": result,
        "metadata": metadata,
        "identifier": one.identifier,
    }
