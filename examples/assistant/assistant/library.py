"""The pages that the assistant knows: README.md and docs/**/*.md of one folder, in passages.

Rule: what is asked for is looked up among the pages found at start; no path is ever opened
because a question named it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.bm25 import Bm25

HEADING = re.compile(r"^#{1,4}\s+(.+?)\s*#*$")
PASSAGE_CHARS = 700


class PageMissingError(LookupError):
    """No such page; the message lists those there are."""


@dataclass(frozen=True, slots=True)
class Section:
    page: str
    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    section: Section
    score: float


def sections_of(page: str, markdown: str) -> Iterator[Section]:
    """At least one a heading, in order, none empty; hashes inside fenced code are no headings.

    >>> [s.heading for s in sections_of("a.md", "# A\\nx\\n## B\\n```\\n# no\\n```")]
    ['A', 'B']
    """
    heading, lines, fenced = page, list[str](), False
    for line in [*markdown.splitlines(), "# end"]:
        fenced ^= line.lstrip().startswith("```")
        found = None if fenced else HEADING.match(line)
        if found:
            yield from (Section(page, heading, text) for text in _passages(lines))
            heading, lines = found[1], []
        else:
            lines.append(line)


def _passages(lines: list[str]) -> Iterator[str]:
    """Whole lines, up to PASSAGE_CHARS together; a longer line stands alone."""
    passage = ""
    for line in lines:
        if passage.strip() and len(passage) + len(line) > PASSAGE_CHARS:
            yield passage.strip()
            passage = ""
        passage += f"{line}\n"
    if passage.strip():
        yield passage.strip()


class Library:
    def __init__(self, sections: list[Section]) -> None:
        self._sections = sections
        self._ranking = Bm25([f"{one.heading}\n{one.heading}\n{one.text}" for one in sections])

    @classmethod
    def of(cls, root: Path) -> "Library":
        pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
        return cls(
            [
                section
                for page in pages
                if page.is_file()
                for section in sections_of(page.relative_to(root).as_posix(), page.read_text())
            ]
        )

    def search(self, query: str, limit: int) -> list[Hit]:
        return [Hit(self._sections[at], score) for at, score in self._ranking.best(query, limit)]

    def read(self, page: str) -> list[Section]:
        """The page's sections in order. Raises PageMissingError."""
        found = [section for section in self._sections if section.page == page]
        if not found:
            known = ", ".join(sorted({section.page for section in self._sections})) or "none"
            raise PageMissingError(f"There is no page {page}; the pages are: {known}")
        return found
