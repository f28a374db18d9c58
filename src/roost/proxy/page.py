"""Phoenix's HTML page as Roost hands it out, fenced by a policy. Pure.

Rule: an inline script runs only if its hash stands in the policy, and only this module makes one.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from html.parser import HTMLParser
from importlib.resources import files

from roost.errors import Unavailable

SCRIPT = files("roost.proxy").joinpath("page.js").read_text(encoding="utf-8")
_HEAD = re.compile(r"<head(?:\s[^>]*)?>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PageRules:
    """What differs between pages: `space` names the tenant's storage and is never reused (a tenant
    id); `mount` is the page's URL prefix; `sign_out` is the URL to POST to, or empty; `theme` is
    what somebody sees who has chosen none: `light`, `dark`, `system`, or empty for Phoenix's."""

    frame_ancestors: tuple[str, ...]
    space: str
    mount: str
    sign_out: str = ""
    theme: str = ""


@lru_cache(maxsize=64)
def dress(html: bytes, rules: PageRules) -> tuple[bytes, str]:
    """The page with Roost's script first in its head, and its Content-Security-Policy.

    Unavailable where there is no head to put it into: that is no page that Roost knows.
    """
    text = html.decode("utf-8", "replace")
    head = _HEAD.search(text)
    if head is None:
        raise Unavailable("Phoenix answered with a page that Roost does not know.", status=502)
    dressed = text[: head.end()] + _tag(rules) + text[head.end() :]
    return dressed.encode(), policy(inline_scripts(dressed), rules.frame_ancestors)


def policy(scripts: list[str], frame_ancestors: tuple[str, ...]) -> str:
    """The policy of a page with those inline scripts.

    `unsafe-eval`: Phoenix's bundle compiles lodash templates as it loads, and is a blank page where
    it cannot; `unsafe-inline` styles: emotion. Pictures of other hosts are left out on purpose: a
    trace is hostile text, and an image address in it tells its author who looks at it.
    """
    hashes = "".join(f" '{hash_of(script)}'" for script in dict.fromkeys(scripts))
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'unsafe-eval'{hashes}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            f"frame-ancestors {' '.join(frame_ancestors) or chr(39) + 'none' + chr(39)}",
        )
    )


def hash_of(script: str) -> str:
    """As a browser computes it: over the text with its line ends as LF.

    >>> hash_of("")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    text = script.replace("\r\n", "\n").replace("\r", "\n")
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def inline_scripts(html: str) -> list[str]:
    """The text of each script element without `src`, in order.

    >>> inline_scripts('<script>a</script><script src="b"></script><SCRIPT>c<d</SCRIPT>')
    ['a', 'c<d']
    """
    parser = _Scripts()
    parser.feed(html)
    parser.close()
    return parser.found


class _Scripts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script" and all(name != "src" for name, _ in attrs)
        if self._inside:
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def _tag(rules: PageRules) -> str:
    return f"<script{''.join(_attributes(rules))}>{SCRIPT}</script>"


def _attributes(rules: PageRules) -> Iterator[str]:
    values = {
        "space": rules.space,
        "mount": rules.mount,
        "sign-out": rules.sign_out,
        "theme": rules.theme,
    }
    for name, value in values.items():
        if value:
            yield f' data-{name}="{escape(value)}"'
