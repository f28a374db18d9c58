"""Which spans go on to a tenant's Phoenix; the rest lives in log and index alone.

Rule: all spans of a trace fare alike, so what decides is the trace, never the span.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from roost.policy.ingest import matches

_STEPS = 10_000


class Choice(StrEnum):
    ALL = "all"
    SAMPLE = "sample"
    ERRORS = "errors"


@dataclass(frozen=True, slots=True)
class ForwardPolicy:
    """`share` of the traces, from 0 to 1, where the choice is SAMPLE."""

    choice: Choice = Choice.ALL
    share: float = 1.0

    def samples(self, trace_id: bytes) -> bool:
        """Whether that trace is one of the sample; the same answer for ever.

        >>> ForwardPolicy(Choice.SAMPLE, 1.0).samples(bytes(16))
        True
        >>> ForwardPolicy(Choice.SAMPLE, 0.0).samples(bytes(16))
        False
        """
        return int.from_bytes(trace_id[-7:]) % _STEPS < self.share * _STEPS


EVERYTHING = ForwardPolicy()


def parse_policy(text: str) -> ForwardPolicy:
    """`all`, `errors`, or `sample:0.1`. ValueError otherwise.

    >>> parse_policy("sample:0.25").share, parse_policy("errors").choice.value
    (0.25, 'errors')
    """
    name, _, share = text.partition(":")
    if name == Choice.SAMPLE:
        value = float(share)
        if 0 <= value <= 1:
            return ForwardPolicy(Choice.SAMPLE, value)
    elif not share and name in (Choice.ALL, Choice.ERRORS):
        return ForwardPolicy(Choice(name))
    raise ValueError(f"{text!r} is no forward policy: all, errors, or sample:0.1")


def policy_of(project: str, policies: Mapping[str, ForwardPolicy]) -> ForwardPolicy:
    """The first whose pattern fits the project; everything where none does.

    >>> policy_of("noisy-1", {"noisy-*": ForwardPolicy(Choice.ERRORS)}).choice.value
    'errors'
    """
    for pattern, policy in policies.items():
        if matches(pattern, project):
            return policy
    return EVERYTHING
