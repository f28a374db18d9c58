"""From a decision to a pass, or to an error: the one door to a cell.

Rule: only this module makes an `Admitted`, the role is judged before a cell is woken, and each
verdict leaves one line in the audit log, without a secret and without the caller's own text.
"""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from roost.errors import NotAllowed, NotFound
from roost.model import ROLE_OF_SCOPE, CellRoute, Principal, Proof, Role
from roost.policy.decision import Allow, Decision, Refuse
from roost.proxy.admitted import Admitted

audit = logging.getLogger("roost.audit")

ONLY_SPANS = "This key may only send spans; for more it needs the scope `read`, `write` or `admin`."
_SCOPE_OF_ROLE = {role: scope for scope, role in ROLE_OF_SCOPE.items()}


@dataclass(frozen=True, slots=True)
class Forward:
    """A call as it would go to the cell, not yet judged; the fields are those of `Admitted`.
    `template` is the path of the table's row (`/v1/projects/{project}`): it names the call in the
    log, where the path itself would show what people call their things."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[bytes, bytes], ...]
    mount: str
    template: str
    root: str = ""
    body: bytes | None = None
    set_headers: Mapping[str, str] | None = None


async def admit(
    decision: Decision,
    principal: Principal,
    forward: Forward,
    route: Callable[[], Awaitable[CellRoute]],
) -> Admitted:
    """The pass. NotFound for what nobody may; NotAllowed where role or scope are too low or the
    refusal names something to use instead; what `route` raises."""
    allow = judge(decision, principal, forward)
    return Admitted(
        principal=principal,
        allow=allow,
        route=await route(),
        method=forward.method,
        path=forward.path,
        query=forward.query,
        headers=forward.headers,
        mount=forward.mount,
        body=forward.body,
        set_headers=forward.set_headers,
        root=forward.root,
    )


def judge(decision: Decision, principal: Principal, forward: Forward) -> Allow:
    """The verdict without its effect: what is allowed, or the error that `admit` raises."""
    if principal.role is None:
        _note("refused", principal, forward, "may only send spans")
        raise NotAllowed(ONLY_SPANS, reason="a key that may only send spans")
    match decision:
        case Refuse(reason, pointer):
            _note("refused", principal, forward, reason)
            raise NotAllowed(pointer, reason=reason) if pointer else NotFound(reason=reason)
        case Allow(needs=needs) if principal.role < needs:
            _note("refused", principal, forward, f"needs {needs.label}")
            raise NotAllowed(
                _too_low(needs, principal.role, principal.proof),
                reason=f"{forward.method} {forward.template}",
            )
        case Allow(changes=changes):
            _note("allowed", principal, forward, "", logging.INFO if changes else logging.DEBUG)
            return decision
        case _:
            assert_never(decision)


def _too_low(needs: Role, has: Role, proof: Proof) -> str:
    """In the words that its holder knows: keys have scopes, people have roles."""
    if proof is Proof.KEY:
        return f"This needs a key with the scope `{_SCOPE_OF_ROLE[needs]}`; this one may not."
    return f"This needs the role {needs.label}; yours is {has.label}."


def _note(
    verdict: str, principal: Principal, forward: Forward, reason: str, level: int = logging.INFO
) -> None:
    """Changes and refusals at INFO, mere reads at DEBUG. JSON, so that no name breaks the line."""
    if not audit.isEnabledFor(level):
        return
    line = {
        "verdict": verdict,
        "tenant": principal.tenant.id,
        "subject": principal.subject,
        "proof": principal.proof.value,
        "proof_id": principal.proof_id,
        "role": None if principal.role is None else principal.role.label,
        "method": forward.method,
        "path": forward.template,
        "reason": reason,
    }
    audit.log(level, "%s", json.dumps(line))
