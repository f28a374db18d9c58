"""Which attributes are hidden by their key.

A rule names a key and all that stands below it, however that is written: `llm.input_messages`
hides `llm.input_messages.0.message.content`, the same as nested lists and maps, and inside JSON.
`*` is any run of characters, dots too; all else stands for itself.

Rule: what is too long or too deep to be judged is hidden.
"""

from collections.abc import Sequence

from roost.policy.ingest import matches

MAX_PATH_CHARS = 1024
_REMEMBERED = 10_000


class KeyRules:
    """Paths are keys joined by dots, the places in a list as numbers from 0."""

    __slots__ = ("_globs", "_hidden", "_named", "_reached")

    def __init__(self, globs: Sequence[str]) -> None:
        self._globs = tuple(globs)
        self._named = tuple(form for one in globs for form in (one, f"{one}.*"))
        self._hidden: dict[str, bool] = {}
        self._reached: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._globs)

    def hides(self, path: str) -> bool:
        """
        >>> rules = KeyRules(["llm.*.content", "user"])
        >>> [rules.hides(one) for one in ("llm.0.content", "user.id", "users", "llm.content")]
        [True, True, False, False]
        """
        if not self._globs:
            return False
        if len(path) > MAX_PATH_CHARS:
            return True
        known = self._hidden.get(path)
        if known is None:
            known = any(matches(form, path) for form in self._named)
            _remember(self._hidden, path, known)
        return known

    def reach_below(self, path: str) -> bool:
        """Whether a rule may hide something below `path`; True where that is not known.

        >>> rules = KeyRules(["input.value.*.secret"])
        >>> rules.reach_below("input.value"), rules.reach_below("output.value")
        (True, False)
        """
        if not self._globs:
            return False
        if len(path) > MAX_PATH_CHARS:
            return True
        known = self._reached.get(path)
        if known is None:
            known = any(_reaches(one, f"{path}.") for one in self._globs)
            _remember(self._reached, path, known)
        return known


def _reaches(glob: str, below: str) -> bool:
    head, star, _ = glob.partition("*")
    return head.startswith(below) or (star != "" and below.startswith(head))


def _remember(known: dict[str, bool], path: str, answer: bool) -> None:
    """Bounded: keys come from clients."""
    if len(known) >= _REMEMBERED:
        known.clear()
    known[path] = answer
