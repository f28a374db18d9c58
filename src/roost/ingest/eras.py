"""Which forward policies held when: what tells a trace that the cell lost from one it never got.

Rule: pure; a doubt is a no.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from roost.log.base import BEGINNING, Position
from roost.policy.forwarding import Choice, ForwardPolicy, policy_of


class Era(Struct, frozen=True):
    """Records behind `after` were judged by these policies (choice and share, by pattern)."""

    after: int
    policies: dict[str, tuple[str, float]]

    def policy_of(self, project: str) -> ForwardPolicy:
        policies = {
            pattern: ForwardPolicy(Choice(choice), share)
            for pattern, (choice, share) in self.policies.items()
        }
        return policy_of(project, policies)


def eras_from(text: str | None) -> list[Era]:
    return msgspec.json.decode(text, type=list[Era]) if text else []


def encoded(eras: Sequence[Era]) -> str:
    return msgspec.json.encode(eras).decode()


def continued(
    eras: Sequence[Era], policies: Mapping[str, ForwardPolicy], settled: Position
) -> list[Era]:
    """The eras with those policies as the present one; what was settled before was judged by the
    last one. A home without any has always had these."""
    now = {pattern: (one.choice.value, one.share) for pattern, one in policies.items()}
    if eras and list(eras[-1].policies.items()) == list(now.items()):
        return list(eras)
    before = [era for era in eras if era.after < settled]
    return [*before, Era(settled if before else BEGINNING, now)]


def went_on(
    eras: Sequence[Era],
    trace_id: bytes,
    project: str,
    places: Sequence[Position],
    *,
    failed: bool,
) -> bool:
    """Whether what stands at those places was certainly sent to the cell. `failed`: a span of the
    trace has failed."""
    return all(_went_on(_at(eras, place), trace_id, project, failed) for place in places)


def _went_on(era: Era | None, trace_id: bytes, project: str, failed: bool) -> bool:
    if era is None:
        return False
    policy = era.policy_of(project)
    match policy.choice:
        case Choice.ALL:
            return True
        case Choice.SAMPLE:
            return policy.samples(trace_id)
        case Choice.ERRORS:
            return failed


def _at(eras: Sequence[Era], place: Position) -> Era | None:
    return next((era for era in reversed(eras) if era.after < place), None)
