"""What somebody may put where an id or a name is wanted: one tenant's own, or another's."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.isolation.household import Names

_KINDS: tuple[tuple[str, str], ...] = (
    ("sessionannotation", "ProjectSessionAnnotation"),
    ("sessionnote", "ProjectSessionAnnotation"),
    ("traceannotation", "TraceAnnotation"),
    ("tracenote", "TraceAnnotation"),
    ("documentannotation", "DocumentAnnotation"),
    ("spanannotation", "SpanAnnotation"),
    ("spannote", "SpanAnnotation"),
    ("annotationconfig", "CategoricalAnnotationConfig"),
    ("config", "CategoricalAnnotationConfig"),
    ("annotation", "SpanAnnotation"),
    ("promptversiontag", "PromptVersionTag"),
    ("promptversion", "PromptVersion"),
    ("promptlabel", "PromptLabel"),
    ("datasetversion", "DatasetVersion"),
    ("datasetexample", "DatasetExample"),
    ("datasetlabel", "DatasetLabel"),
    ("datasetsplit", "DatasetSplit"),
    ("datasetevaluator", "DatasetEvaluator"),
    ("retentionpolic", "ProjectTraceRetentionPolicy"),
    ("policyid", "ProjectTraceRetentionPolicy"),
    ("customprovider", "GenerativeModelCustomProvider"),
    ("provider", "GenerativeModelCustomProvider"),
    ("experimentrun", "ExperimentRun"),
    ("runid", "ExperimentRun"),
    ("experiment", "Experiment"),
    ("example", "DatasetExample"),
    ("evaluator", "DatasetEvaluator"),
    ("label", "DatasetLabel"),
    ("split", "DatasetSplit"),
    ("dataset", "Dataset"),
    ("session", "ProjectSession"),
    ("trace", "Trace"),
    ("span", "Span"),
    ("project", "Project"),
    ("prompt", "Prompt"),
    ("version", "DatasetVersion"),
    ("model", "GenerativeModel"),
    ("user", "User"),
    ("tag", "PromptVersionTag"),
)
"""The Relay type that a word in a URL, a body or a document speaks of; the first that fits."""


def kind_of(*words: str) -> str:
    """By the first word that speaks of any; of a project else.

    >>> kind_of("datasetVersionId"), kind_of("id", "deletePrompt"), kind_of("cursor")
    ('DatasetVersion', 'Prompt', 'Project')
    """
    for word in words:
        letters = re.sub(r"[^a-z]", "", word.lower())
        for part, kind in _KINDS:
            if part in letters:
                return kind
    return "Project"


@dataclass(frozen=True, slots=True)
class Known:
    """`ids` are Relay ids by type."""

    ids: Mapping[str, Sequence[str]]
    names: Names

    def id_of(self, kind: str, *, second: bool = False) -> str:
        """Where there is none of that type, a project's: an id all the same."""
        first, *others = self.ids.get(kind) or self.ids["Project"]
        return others[0] if second and others else first

    def name_of(self, kind: str) -> str:
        """What people call it; the id where it has no name."""
        names = self.names
        called = {
            "CategoricalAnnotationConfig": names.config,
            "Dataset": names.dataset,
            "DatasetLabel": names.label,
            "DatasetSplit": names.split,
            "Project": names.project,
            "ProjectSession": names.session,
            "Prompt": names.prompt,
            "PromptLabel": names.label,
            "PromptVersionTag": names.tag,
            "Span": names.span_ids[0],
            "Trace": names.trace_id,
        }
        return called.get(kind) or self.id_of(kind)

    def value(self, kind: str, *, by_name: bool, second: bool = False) -> str:
        return self.name_of(kind) if by_name else self.id_of(kind, second=second)
