"""What is hidden wherever it stands in a text: addresses, numbers, secrets, the operator's own.

Rule: all of it takes time linear in the text. Built-ins start from something rare (`@`, a digit,
`AKIA`) and never look at a character more than a few times; the operator's expressions run on RE2,
which has no backtracking, never on Python's `re`.
"""

import importlib
import importlib.util
import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

MAX_EXPRESSION_CHARS = 1_000
_RE2_MEMORY_BYTES = 8 * 2**20

Found = Iterable[tuple[int, int]]
"""Where in the text it stands: begin and end, in order, none inside another. () where a glance
shows that it does not: most texts hold nothing."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """`mark` is put in place of what `find` finds, in texts of at least `min_chars`."""

    mark: str
    find: Callable[[str], Found]
    min_chars: int = 1
    is_own: bool = False
    """The operator's: it may run across JSON's quotes and commas."""


def hide(text: str, patterns: Sequence[Pattern]) -> str:
    """The text without what they find; the same object where they find nothing."""
    for pattern in patterns:
        if len(text) >= pattern.min_chars and (found := pattern.find(text)):
            text = _replaced(text, pattern.mark, found)
    return text


def _replaced(text: str, mark: str, found: Found) -> str:
    pieces, at = [], 0
    for begin, end in found:
        pieces += [text[at:begin], mark]
        at = end
    return "".join([*pieces, text[at:]]) if pieces else text


_NO_LOCAL = frozenset('\x7f"`<>()[]{},;:\\|@')
_DOMAIN = re.compile(r"@[\w-]++(?:\.[\w-]++)++")


def _emails(text: str) -> Found:
    """From the `@` to both sides; more in front of it is taken than RFC 5321 allows."""
    return _emails_in(text) if "@" in text else ()


def _emails_in(text: str) -> Found:
    last = 0
    for domain in _DOMAIN.finditer(text):
        begin = domain.start()
        while begin > last and _is_local(text, begin - 1):
            begin -= 1
        if begin < domain.start():
            last = domain.end()
            yield begin, last


def _is_local(text: str, at: int) -> bool:
    """An apostrophe is one inside a name, else it is a quote."""
    character = text[at]
    if character == "'":
        return at > 0 and text[at - 1].isalnum()
    return character not in _NO_LOCAL and character > " "


_DIGITS = re.compile("[0-9](?:[ \xa0-]?+[0-9]){12,}+")
_GROUP = re.compile("[0-9]++")
_CARD_DIGITS = range(13, 20)


def _cards(text: str) -> Found:
    """13 to 19 digits in groups that begin as card numbers do (2 to 6) and pass Luhn's check."""
    return _all_cards(text) if _DIGITS.search(text) else ()


def _all_cards(text: str) -> Found:
    for run in _DIGITS.finditer(text):
        yield from _cards_in(text, [one.span() for one in _GROUP.finditer(text, *run.span())])


def _cards_in(text: str, groups: Sequence[tuple[int, int]]) -> Found:
    at = 0
    while at < len(groups):
        end = _card_end(text, groups, at)
        if end is None:
            at += 1
        else:
            yield groups[at][0], groups[end][1]
            at = end + 1


def _card_end(text: str, groups: Sequence[tuple[int, int]], first: int) -> int | None:
    """The last group of the longest card that begins with group `first`."""
    digits, found = "", None
    for at in range(first, len(groups)):
        digits += text[slice(*groups[at])]
        if len(digits) >= _CARD_DIGITS.stop:
            break
        if len(digits) in _CARD_DIGITS and digits[0] in "23456" and _passes_luhn(digits):
            found = at
    return found


def _is_digit(text: str, at: int) -> bool:
    return at < len(text) and text[at] in "0123456789"


def _passes_luhn(digits: str) -> bool:
    """
    >>> _passes_luhn("4111111111111111"), _passes_luhn("4111111111111112")
    (True, False)
    """
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_IPV6 = re.compile(r":[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:]*+(?:\.[0-9]{1,3}){0,3}")
_HEX = frozenset("0123456789abcdefABCDEF")


def _ipv4(text: str) -> Found:
    return _all_ipv4(text) if text.count(".") >= 3 else ()


def _all_ipv4(text: str) -> Found:
    for found in _IPV4.finditer(text):
        begin, end = found.span()
        whole = text[begin - 1 : begin] not in _DIGIT_OR_DOT and not _goes_on(text, end)
        if whole and all(int(part) < 256 for part in found[0].split(".")):
            yield begin, end


_DIGIT_OR_DOT = frozenset("0123456789.")


def _goes_on(text: str, end: int) -> bool:
    return _is_digit(text, end) or (text[end : end + 1] == "." and _is_digit(text, end + 1))


def _ipv6(text: str) -> Found:
    return _all_ipv6(text) if "::" in text or text.count(":") >= 7 else ()


def _all_ipv6(text: str) -> Found:
    """From the first colon to both sides."""
    last = 0
    for found in _IPV6.finditer(text):
        begin, end = _ipv6_begin(text, found.start(), last), found.end()
        # The sentence may go on with a colon.
        stop = next((at for at in (end, end - 1) if _is_ipv6(text, begin, at)), None)
        if stop is not None and not _is_word(text[stop : stop + 1]):
            last = stop
            yield begin, stop


def _ipv6_begin(text: str, colon: int, last: int) -> int:
    """In front of the first group. Where a word stands there, or nothing, its colon is not the
    address's: `addr:2001:db8::1`; `std::add` is none at all, and gets an empty place."""
    begin = colon
    while begin > last and colon - begin < 4 and text[begin - 1] in _HEX:
        begin -= 1
    is_word = begin > last and _is_word(text[begin - 1])
    if text.startswith("::", colon):
        return len(text) if is_word else begin
    return colon + 1 if is_word or begin == colon else begin


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _is_ipv6(text: str, begin: int, end: int) -> bool:
    if end - begin > 45 or (text.find("::", begin, end) < 0 and text.count(":", begin, end) < 7):
        return False
    address = text[begin:end]
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return address != "::"


_AWS_ID = re.compile(r"A(?:KIA|SIA|GPA|IDA|ROA|IPA|NPA|NVA|BIA|CCA)[A-Z0-9]{16}(?![A-Za-z0-9])")
_AWS_SECRET = re.compile(
    r"(?i:aws_?secret_?(?:access_?)?key)[\"'\\\s:=]{1,9}([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])"
)
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr][\s:]{1,9}([A-Za-z0-9._~+/-]{8,}+=*+)")


def _aws_keys(text: str) -> Found:
    """Access key ids by their prefix; secret keys only behind their name, being 40 letters."""
    found = [one.span() for one in _AWS_ID.finditer(text)]
    if "ecret" in text or "ECRET" in text:
        found += [one.span(1) for one in _AWS_SECRET.finditer(text)]
    return sorted(found)


def _bearers(text: str) -> Found:
    if "bearer" not in text.lower():
        return ()
    return [found.span(1) for found in _BEARER.finditer(text)]


BUILT_IN: Mapping[str, Pattern] = {
    name: Pattern(f"[masked:{name}]", find, min_chars)
    for name, find, min_chars in (
        ("email", _emails, len("a@b.c")),
        ("credit-card", _cards, _CARD_DIGITS.start),
        ("ipv4", _ipv4, len("1.1.1.1")),
        ("ipv6", _ipv6, len("::1")),
        ("aws-key", _aws_keys, 20),
        ("bearer-token", _bearers, len("bearer 12345678")),
    )
}


class _Re2Match(Protocol):
    def span(self) -> tuple[int, int]: ...


class _Expression(Protocol):
    def finditer(self, text: str) -> Iterator[_Re2Match]: ...
    def search(self, text: str) -> _Re2Match | None: ...


def own(expression: str) -> Pattern:
    """The operator's regular expression in RE2's syntax; ValueError says why it cannot be one."""
    if len(expression) > MAX_EXPRESSION_CHARS:
        raise ValueError(f"it is longer than {MAX_EXPRESSION_CHARS} characters")
    compiled = _compiled(expression)
    if compiled.search("") is not None:
        raise ValueError("it matches the empty text, so it would hide nothing and everything")

    def find(text: str) -> Found:
        for found in compiled.finditer(_sound(text)):
            begin, end = found.span()
            if begin < end:
                yield begin, end

    return Pattern("[masked]", find, is_own=True)


def _compiled(expression: str) -> _Expression:
    if importlib.util.find_spec("re2") is None:
        raise ValueError("own expressions need RE2: install `roost[re2]`")
    re2 = importlib.import_module("re2")
    options = re2.Options()
    options.max_mem = _RE2_MEMORY_BYTES
    options.log_errors = False
    try:
        return cast("_Expression", re2.compile(expression, options))
    except re2.error as error:
        told = error.args[0]
        raise ValueError(told.decode() if isinstance(told, bytes) else str(told)) from None


def _sound(text: str) -> str:
    """As long as `text`, without the half surrogates that JSON may hold and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
