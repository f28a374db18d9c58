"""Rows of the index as the API shows them to one caller. Pure.

Rule: what an end user may not see of a span is not seen in a preview of it either.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from roost.http.api import shapes
from roost.http.api.fields import hides, needed_for_exchange
from roost.http.api_messages import Field, Own, Sight
from roost.index.rows import (
    AnnotationRow,
    SessionRow,
    Skeleton,
    TraceRow,
    UsageGroup,
    UsagePoint,
)
from roost.log.base import Position
from roost.policy.forwarding import Choice, ForwardPolicy, policy_of

_ANNOTATIONS = frozenset({Field.ANNOTATIONS})


@dataclass(frozen=True, slots=True)
class Forwarding:
    """How far the home's log is settled, and what goes on to Phoenix by project."""

    settled: Position
    policies: Mapping[str, ForwardPolicy]

    def stored(self, row: TraceRow) -> shapes.Stored:
        """As the policies are now: an earlier one may have let it pass."""
        if self._is_kept_back(row):
            return shapes.Stored.ROOST
        if row.changed_at > self.settled:
            return shapes.Stored.PENDING
        return shapes.Stored.PHOENIX

    def _is_kept_back(self, row: TraceRow) -> bool:
        policy = policy_of(row.project, self.policies)
        if policy.choice is Choice.SAMPLE:
            return not policy.samples(bytes.fromhex(row.trace_id))
        return policy.choice is Choice.ERRORS and not row.errors


def trace(row: TraceRow, sight: Sight, forwarding: Forwarding) -> shapes.Trace:
    is_seen = shows_exchange(row, sight)
    return shapes.Trace(
        trace_id=row.trace_id,
        project=row.project,
        name=row.name,
        kind=row.kind,
        status=str(row.status),
        start_us=row.start_us,
        latency_us=row.latency_us,
        spans=row.spans,
        errors=row.errors,
        prompt_tokens=row.prompt_tokens,
        completion_tokens=row.completion_tokens,
        tokens=row.tokens,
        cost_usd=row.cost_usd,
        unpriced=row.unpriced,
        model=row.model,
        provider=row.provider,
        user=row.user,
        several_users=row.several_users,
        session=row.session,
        root_span_id=row.root_span_id,
        has_root=row.has_root,
        input=row.input if is_seen else None,
        output=row.output if is_seen else None,
        stored=forwarding.stored(row),
    )


def shows_exchange(row: TraceRow, sight: Sight) -> bool:
    """Its previews are those of its root, or of the span that stands in."""
    return not hides(sight, needed_for_exchange(row.kind, is_root=row.has_root))


def session(
    row: SessionRow, sight: Sight, ends: Callable[[str], tuple[TraceRow | None, TraceRow | None]]
) -> shapes.Session:
    """`ends` gives the first and the last trace: whose previews they are tells who may see."""
    first_input: str | None = row.first_input
    last_output: str | None = row.last_output
    if isinstance(sight, Own):
        first, last = ends(row.session)
        first_input = first.input if first and shows_exchange(first, sight) else None
        last_output = last.output if last and shows_exchange(last, sight) else None
    return shapes.Session(
        session=row.session,
        project=row.project,
        start_us=row.start_us,
        end_us=row.end_us,
        traces=row.traces,
        failed=row.failed,
        tokens=row.tokens,
        cost_usd=row.cost_usd,
        user=row.user,
        several_users=row.several_users,
        first_input=first_input,
        last_output=last_output,
    )


def tree(found: Skeleton) -> shapes.Tree:
    return shapes.Tree(
        trace_id=found.trace_id,
        project=found.project,
        origin_us=found.origin_us,
        names=list(found.names),
        kinds=list(found.kinds),
        models=list(found.models),
        span_id=list(found.span_id),
        parent=list(found.parent),
        name=list(found.name),
        kind=list(found.kind),
        model=list(found.model),
        start_us=list(found.start_us),
        duration_us=list(found.duration_us),
        status=list(found.status),
        tokens=list(found.tokens),
        cost_usd=list(found.cost_usd),
        truncated=found.truncated,
    )


def annotation(row: AnnotationRow) -> shapes.Annotation:
    return shapes.Annotation(
        of=row.of,
        target=row.target,
        name=row.name,
        identifier=row.identifier,
        annotator_kind=row.annotator_kind,
        label=row.label,
        score=row.score,
        explanation=row.explanation,
        subject=row.subject,
        subject_name=row.subject_name,
        at_us=row.at_us,
    )


def is_seen(row: AnnotationRow, sight: Sight) -> bool:
    """An end user sees their own, and those of others where they are open; but a session may be
    of several users, and what was said of it with it."""
    if not isinstance(sight, Own) or row.subject == sight.subject:
        return True
    return row.of != "session" and not hides(sight, _ANNOTATIONS)


def usage_group(group: UsageGroup) -> shapes.UsageGroup:
    return shapes.UsageGroup(
        group.key, _usage_point(group.total), [_usage_point(one) for one in group.points]
    )


def _usage_point(point: UsagePoint) -> shapes.UsagePoint:
    return shapes.UsagePoint(
        bucket_us=point.bucket_us,
        spans=point.spans,
        errors=point.errors,
        traces=point.traces,
        failed=point.failed,
        prompt_tokens=point.prompt_tokens,
        completion_tokens=point.completion_tokens,
        cached_tokens=point.cached_tokens,
        reasoning_tokens=point.reasoning_tokens,
        cost_usd=point.cost_usd,
        unpriced=point.unpriced,
        p50_us=point.p50_us,
        p90_us=point.p90_us,
        p99_us=point.p99_us,
    )
