"""Okapi BM25 over an inverted index. Rule: pure; the same texts rank the same everywhere.

The formula is Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, with the
`1 +` inside the logarithm that keeps common words from counting against a text.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

WORD = re.compile(r"[a-z0-9]+")
STOP = frozenset(
    WORD.findall(
        "a an and are as at be by can do does for from how i in is it its me my of on or s that "
        "the this to was what when where which who why will with you your"
    )
)


def words(text: str) -> list[str]:
    """Without the commonest, and without the `s` of a plural.

    >>> words("What's in the cells' homes?")
    ['cell', 'home']
    """
    return [_singular(word) for word in WORD.findall(text.lower()) if word not in STOP]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


class Bm25:
    """`k1` is how fast repetition stops counting, `b` how much long texts are held back.

    >>> Bm25(["the cell sleeps", "a key is a secret"]).best("secret key", 5)
    [(1, 1.386)]
    """

    def __init__(self, texts: Sequence[str], k1: float = 1.5, b: float = 0.75) -> None:
        counts = [Counter(words(text)) for text in texts]
        lengths = [count.total() for count in counts]
        average = (sum(lengths) / len(lengths) if lengths else 0.0) or 1.0
        self._floors = [k1 * (1 - b + b * length / average) for length in lengths]
        self._gain = k1 + 1
        self._postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for place, count in enumerate(counts):
            for word, times in count.items():
                self._postings[word].append((place, times))

    def best(self, query: str, limit: int) -> list[tuple[int, float]]:
        """(place of the text, score) of at most `limit` texts, best first; a text without any of
        the words is never among them."""
        scores: defaultdict[int, float] = defaultdict(float)
        for place, score in self._matches(words(query)):
            scores[place] += score
        best = sorted(scores, key=lambda place: (-scores[place], place))
        return [(place, round(scores[place], 3)) for place in best[:limit]]

    def _matches(self, query: Iterable[str]) -> Iterable[tuple[int, float]]:
        for word in query:
            postings = self._postings.get(word, [])
            rarity = math.log(1 + (len(self._floors) - len(postings) + 0.5) / (len(postings) + 0.5))
            for place, times in postings:
                yield place, rarity * times * self._gain / (times + self._floors[place])
