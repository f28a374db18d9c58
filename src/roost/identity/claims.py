"""What a verified proof says, and how a setting points into it. Pure.

Rule: a claim that is not there, or is of another type than asked for, is absent, never guessed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_TEXT_CHARS = 256
MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Claims:
    """Verified claims. `proof_id` names the proof, never is it; `valid_until` in seconds since
    the epoch."""

    values: Mapping[str, object]
    proof_id: str
    valid_until: float

    def at(self, path: str) -> object:
        """The value at `path`, or None. A key that is the whole path comes first, since some
        issuers name claims by URL; else dots lead into nested objects.

        >>> claims = Claims({"org": {"slug": "acme"}, "https://a.example/role": "boss"}, "", 0)
        >>> claims.at("org.slug"), claims.at("https://a.example/role"), claims.at("org.slug.x")
        ('acme', 'boss', None)
        """
        if path in self.values:
            return self.values[path]
        found: object = self.values
        for key in path.split("."):
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found

    def text(self, path: str) -> str:
        """The text at `path`, or "" (absent, no text, unprintable, over MAX_TEXT_CHARS). A whole
        number counts as its digits: hosts keep numeric user ids."""
        return _text(self.at(path))

    def texts(self, path: str) -> tuple[str, ...]:
        """The same for a list, or a single text as a list of one."""
        found = self.at(path)
        items = found if isinstance(found, list | tuple) else (found,)
        return tuple(text for text in map(_text, items) if text)

    def paths(self) -> Iterator[str]:
        """Every path that leads to a value, for messages."""
        yield from _paths(self.values, "", 1)


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    fits = isinstance(value, str) and len(value) <= MAX_TEXT_CHARS and value.isprintable()
    return str(value) if fits else ""


def _paths(values: Mapping[str, object], prefix: str, depth: int) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping) and depth < MAX_DEPTH:
            yield from _paths(value, f"{prefix}{key}.", depth + 1)
        else:
            yield f"{prefix}{key}"
