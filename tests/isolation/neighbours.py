"""Two tenants that keep everything, side by side: what each holds, and what acme's Ann is told."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from graphql import GraphQLSchema, OperationType
from tests.installation import Installation
from tests.isolation.canary import Marks, marks_in
from tests.isolation.documents import Asked, asked
from tests.isolation.household import SHARED, furnish, own_names
from tests.isolation.known import Known
from tests.isolation.rest import Question, Schema, questions, reads
from tests.isolation.rows import Rows, data_of, home_of, last_rows, relay_ids
from tests.phoenix_surface import Surface

ACME, GLOBEX = "acme-home", "globex-home"
OURS, THEIRS = "canaryofacme", "canaryglobex"
_BY_NAME = re.compile(r"traceId|ByOtelId|ByName|SessionById")
"""In documents that take an `ID` which is not Phoenix's own."""
_SEALED = re.compile(rb"gAAAA[\w-]+=*")
"""A secret on its way to the UI, encrypted anew in each answer."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`ours` is what Ann knows of her own; `theirs` are ids and names that only globex has.
    `before` is what she was answered while globex had nothing."""

    roost: Installation
    document: Schema
    graphql: GraphQLSchema
    texts: tuple[str, ...]
    acme: Path
    globex: Path
    ours: Known
    theirs: Known
    before: Mapping[str, bytes]
    kept: Rows
    """What acme had then."""
    sent: set[str] = field(default_factory=set)
    """The marks of globex that Ann has guessed so far, and may be told again."""

    def ann(self) -> httpx.Client:
        return self.roost.client(self.roost.cookie("Ann", ACME))

    def told(self, answer: httpx.Response, sent: bytes) -> set[str]:
        """The marks of globex in an answer, headers and all, that Ann never sent herself."""
        head = b"\n".join(name + b": " + value for name, value in answer.headers.raw)
        self.sent.update(marks_in(sent, THEIRS))
        return marks_in(head + b"\n" + answer.content, THEIRS) - self.sent

    def guesses(self) -> Iterator[Question]:
        for by_name in (False, True):
            yield from questions(self.document, self.theirs, by_name=by_name)

    def asked(self, kind: OperationType) -> Iterator[Asked]:
        """The UI's operations that take something, with what globex has."""
        named = [text for text in self.texts if _BY_NAME.search(text)]
        for texts, by_name in ((self.texts, False), (named, True)):
            known = asked(self.graphql, texts, self.theirs, by_name=by_name, narrowed=True)
            yield from (one for one in known if one.kind is kind and one.body["variables"])


def neighbours(roost: Installation, surface: Surface) -> Neighbours:
    """Furnish acme, ask everything, furnish globex; twice, so that it has ids beyond acme's."""
    for slug in (ACME, GLOBEX):
        roost.tenant(slug)
    with roost.client(roost.key(ACME, "admin", "ingest")) as client:
        furnish(client, Marks(OURS), SHARED)
    acme = home_of(roost, ACME)
    document = openapi(roost, ACME)
    with roost.client(roost.cookie("Ann", ACME)) as ann:
        ann.get(f"/t/{ACME}/v1/user").raise_for_status()  # her row is there from here on
        ours = Known(relay_ids(acme, SHARED.project), SHARED)
        before = answers(ann, document, surface, ours)
    kept = data_of(acme)
    marks = Marks(THEIRS)
    names = own_names(marks)
    with roost.client(roost.key(GLOBEX, "admin", "ingest")) as client:
        furnish(client, marks, SHARED)
        furnish(client, marks, names)
    with roost.client(roost.cookie(f"Bob-{THEIRS}", GLOBEX)) as bob:
        bob.get(f"/t/{GLOBEX}/v1/user").raise_for_status()
    globex = home_of(roost, GLOBEX)
    theirs = Known(relay_ids(globex, names.project, above=last_rows(acme)), names)
    return Neighbours(
        roost,
        document,
        surface.schema,
        surface.ui_documents,
        acme,
        globex,
        ours,
        theirs,
        before,
        kept,
    )


def answers(
    client: httpx.Client, document: Schema, surface: Surface, known: Known
) -> dict[str, bytes]:
    """Everything that the owner of those names can read, by question."""
    told = {}
    for question in (
        *reads(document, known),
        *reads(document, known, by_name=True),
    ):
        told[f"{question.path} {question.query}"] = _bytes(question.ask(client, f"/t/{ACME}"))
    for one in asked(surface.schema, surface.ui_documents, known):
        if one.kind is OperationType.QUERY:
            told[one.name] = _bytes(one.ask(client, f"/ui/{ACME}"))
    return told


def openapi(roost: Installation, slug: str) -> Schema:
    """The cell's own description of its REST operations, which Roost shows to nobody."""
    address = roost.cells()[slug]["address"]
    answer = httpx.get(f"{address}/openapi.json", timeout=60)
    document: Schema = answer.raise_for_status().json()
    return document


def _bytes(answer: httpx.Response) -> bytes:
    return str(answer.status_code).encode() + b" " + _SEALED.sub(b"sealed", answer.content)
