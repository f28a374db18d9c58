"""One text with what is in it hidden: plain, or JSON, or JSON in JSON.

Rule 1: in JSON every string is judged as what it means, not as it is escaped, under the path that
leads to it; then the whole is judged once more as it stands. Rule 2: JSON is read token by token
and only what is hidden is rewritten, so that a cut-off text and a name given twice hide nothing
from the rules. Rule 3: what is nested too deeply to be judged is hidden.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from roost.ingest import mask_patterns
from roost.ingest.mask_keys import KeyRules
from roost.ingest.mask_patterns import Pattern

MASKED = "[masked]"
MAX_JSON_DEPTH = 100
MAX_TEXT_DEPTH = 8
"""Texts that are JSON within each other."""

_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)("?)|[{}\[\],:]|[^\s"{}\[\],:]++', re.DOTALL)
_MAY_BE_JSON = re.compile(r'\s*+[{\["]')
_ASCII_ESCAPE = re.compile(r"\\u00([2-7][0-9a-fA-F])")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_SEPARATORS = {**dict.fromkeys(("\\n", "\\r", "\\t", "\\f", "\\b", '\\"'), " "), "\\/": "/"}
_MIN_NUMBER_CHARS = 12


@dataclass(frozen=True, slots=True)
class TextRules:
    keys: KeyRules
    patterns: Sequence[Pattern]

    def hide(self, path: str, text: str, depth: int = 0) -> str:
        """The text that is stored under `path`; the same object where nothing is hidden."""
        if not _MAY_BE_JSON.match(text):
            return self.hide_plain(text)
        if not self._needs_scan(path, text):
            return text
        if depth >= MAX_TEXT_DEPTH:
            return MASKED
        return self.hide_plain(_Scan(self, path, text, depth).hidden())

    def hide_plain(self, text: str) -> str:
        """By patterns alone; `\\u0040` counts as the `@` that it stands for."""
        if not self.patterns:
            return text
        if "\\u00" in text:
            plain = _ASCII_ESCAPE.sub(_unescaped, text)
            hidden = mask_patterns.hide(plain, self.patterns)
            if hidden is not plain:
                return hidden
        return mask_patterns.hide(text, self.patterns)

    def _needs_scan(self, path: str, text: str) -> bool:
        """False where nothing in this JSON is hidden; most is told apart at a glance."""
        if self.keys.reach_below(path):
            return True
        if not self.patterns:
            return False
        if any(pattern.is_own for pattern in self.patterns) or "\\\\" in text:
            return True
        meant = _meant(text)
        return mask_patterns.hide(meant, self.patterns) is not meant


def _meant(text: str) -> str:
    """JSON without escapes within escapes, as built-in patterns may read it: white space and
    quotes end all that they find, so a space stands for each."""
    if "\\" not in text:
        return text
    for escape, meaning in _SEPARATORS.items():
        text = text.replace(escape, meaning)
    if "\\u" not in text:
        return text
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)


def _unescaped(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return escape[0] if character in '"\\\x7f' else character


@dataclass(slots=True)
class _Frame:
    """An object or a list that is open. `name` is the key, or the place in the list."""

    path: str
    is_object: bool
    name: str
    index: int = 0
    at_key: bool = False


@dataclass(slots=True)
class _Scan:
    rules: TextRules
    root: str
    text: str
    depth: int
    frames: list[_Frame] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    copied: int = 0
    skipping: int = 0
    """How many brackets are open in something that is hidden whole."""

    def hidden(self) -> str:
        for token in _TOKEN.finditer(self.text):
            if self.skipping:
                self._skip(token)
            else:
                self._take(token)
        if self.skipping:
            self.copied = len(self.text)
        return "".join([*self.pieces, self.text[self.copied :]]) if self.pieces else self.text

    def _take(self, token: re.Match[str]) -> None:
        match self.text[token.start()]:
            case '"':
                self._string(token)
            case "{" | "[":
                self._open(token)
            case "}" | "]":
                if self.frames:
                    self.frames.pop()
            case ",":
                self._next()
            case ":":
                if self.frames:
                    self.frames[-1].at_key = False
            case _:
                self._scalar(token)

    def _open(self, token: re.Match[str]) -> None:
        path = self._path()
        if self.rules.keys.hides(path) or len(self.frames) >= MAX_JSON_DEPTH:
            self._replace(token.start(), token.end(), f'"{MASKED}"')
            self.skipping = 1
        else:
            is_object = token[0] == "{"
            self.frames.append(_Frame(path, is_object, "" if is_object else "0", 0, is_object))

    def _skip(self, token: re.Match[str]) -> None:
        if token[0] in ("{", "["):
            self.skipping += 1
        elif token[0] in ("}", "]"):
            self.skipping -= 1
        self.copied = token.end()

    def _next(self) -> None:
        if self.frames:
            frame = self.frames[-1]
            frame.at_key = frame.is_object
            frame.index += 1
            if not frame.is_object:
                frame.name = str(frame.index)

    def _string(self, token: re.Match[str]) -> None:
        meant = _meaning(token[1])
        if self.frames and self.frames[-1].at_key:
            self.frames[-1].name = meant
            hidden = self.rules.hide_plain(meant)
        elif self.rules.keys.hides(path := self._path()):
            hidden = MASKED
        else:
            hidden = self.rules.hide(path, meant, self.depth + 1)
        if hidden is not meant:
            written = _written(hidden)
            self._replace(token.start(), token.end(), written if token[2] else written[:-1])

    def _scalar(self, token: re.Match[str]) -> None:
        word = token[0]
        if self.rules.keys.hides(self._path()):
            self._replace(token.start(), token.end(), f'"{MASKED}"')
            return
        if len(word) < _MIN_NUMBER_CHARS or not word.lstrip("-")[:1].isdigit():
            return  # no number: no JSON either, so it is judged with the whole
        if (hidden := self.rules.hide_plain(word)) is not word:
            self._replace(token.start(), token.end(), _written(hidden))

    def _path(self) -> str:
        """Of the value that comes now; kept only where a rule for keys looks at it."""
        if not self.rules.keys or not self.frames:
            return self.root
        frame = self.frames[-1]
        return f"{frame.path}.{frame.name}"

    def _replace(self, begin: int, end: int, by: str) -> None:
        self.pieces += [self.text[self.copied : begin], by]
        self.copied = end


def _meaning(inner: str) -> str:
    """What a JSON string says; as it stands where it is cut off or no JSON after all."""
    if "\\" not in inner:
        return inner
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        return inner


def _written(text: str) -> str:
    written = json.dumps(text, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:
        return json.dumps(text)
    return written
