"""What a GraphQL selection may see: a walk over every field that could be run.

Rule: the walk needs no schema. It knows where it stands only by what it came through, so a name
that must not be reachable is refused by name; a test compares these names with Phoenix's schema.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto

from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
)

from roost.errors import BadRequest
from roost.policy.decision import Allow, Decision, Refuse, Treatment
from roost.policy.operations import (
    FIELDS,
    REOPENED_BY,
    REOPENED_BY_MUTATION,
    decide_inner,
    decide_mutation,
    decide_query,
    decide_subscription,
    decide_type,
    is_heavy,
)
from roost.policy.verdict import HEAVY_READ, READ


class Place(Enum):
    """What a selection set is a selection of."""

    QUERY = auto()
    MUTATION = auto()
    SUBSCRIPTION = auto()
    VIEWER = auto()
    INSIDE = auto()


Fragments = Mapping[str, FragmentDefinitionNode]

_DECIDE = {
    Place.QUERY: decide_query,
    Place.MUTATION: decide_mutation,
    Place.SUBSCRIPTION: decide_subscription,
    Place.VIEWER: lambda name: READ if name in FIELDS else decide_inner(name),
    Place.INSIDE: decide_inner,
}


def judge_selections(start: Place, selection: SelectionSetNode, fragments: Fragments) -> Decision:
    """All decisions under that selection in one: the first refusal (its reason names the field),
    else the highest role and every mark. BadRequest for a spread of an unknown fragment."""
    decision = READ
    for name, found in _encounters(start, selection, fragments):
        if isinstance(found, Refuse):
            return Refuse(f"{found.reason}: {name}", found.pointer)
        decision = _joined(decision, found)
    return decision


def _encounters(
    start: Place, selection: SelectionSetNode, fragments: Fragments
) -> Iterator[tuple[str, Decision]]:
    """Every field and type condition with its decision. Without recursion, and each fragment is
    entered once a place: linear in the document, however it nests, cycles included."""
    entered: set[tuple[Place, str]] = set()
    waiting = [(start, selection)]
    while waiting:
        place, current = waiting.pop()
        for node in current.selections:
            if isinstance(node, FieldNode):
                name = node.name.value
                yield name, _DECIDE[place](name)
                if is_heavy(name):
                    yield name, HEAVY_READ
                if node.selection_set:
                    waiting.append((_below(place, name), node.selection_set))
            elif not _entered_before(node, place, entered):
                fragment = _fragment(node, fragments)
                if fragment.type_condition:
                    on = fragment.type_condition.name.value
                    yield on, decide_type(on)
                waiting.append((place, fragment.selection_set))


def _entered_before(node: SelectionNode, place: Place, entered: set[tuple[Place, str]]) -> bool:
    if not isinstance(node, FragmentSpreadNode):
        return False
    key = (place, node.name.value)
    if key in entered:
        return True
    entered.add(key)
    return False


def _fragment(
    node: SelectionNode, fragments: Fragments
) -> FragmentDefinitionNode | InlineFragmentNode:
    if isinstance(node, InlineFragmentNode):
        return node
    if isinstance(node, FragmentSpreadNode) and node.name.value in fragments:
        return fragments[node.name.value]
    raise BadRequest("The GraphQL document spreads a fragment that it does not define.")


def _below(place: Place, field: str) -> Place:
    if field in REOPENED_BY or (place is Place.MUTATION and field in REOPENED_BY_MUTATION):
        return Place.QUERY
    if place is Place.QUERY and field == "viewer":
        return Place.VIEWER
    return Place.INSIDE


def _joined(one: Allow, other: Allow) -> Allow:
    streams = Treatment.STREAM in (one.treatment, other.treatment)
    return Allow(
        Treatment.STREAM if streams else one.treatment,
        max(one.needs, other.needs),
        changes=one.changes or other.changes,
        heavy=one.heavy or other.heavy,
        reconcile=one.reconcile or other.reconcile,
    )
