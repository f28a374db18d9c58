"""How a setting may be written: lists, tables and secrets, the same in a file and in a variable.

Rule: an error names what is wrong with a value and never repeats it.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode


def _split(value: object) -> object:
    """A list may be given as `a, b` (in an environment variable) or as an array."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _pairs(value: object) -> object:
    """A table may be given as `owner=admin, reader=viewer`."""
    if not isinstance(value, str):
        return value
    rows = [part.partition("=") for part in value.split(",") if part.strip()]
    return {name.strip(): text.strip() for name, _, text in rows}


def _by_reference(value: object) -> object:
    """`env:NAME` and `file:PATH` stand for what they name, so that no secret stands in a file."""
    if not isinstance(value, str):
        return value
    kind, _, where = value.partition(":")
    if kind == "env":
        if not (found := os.environ.get(where)):
            raise ValueError(f"the environment variable {where} is not set")
        return found
    if kind == "file":
        try:
            return Path(where).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"cannot read {where}: {error.strerror}") from None
    return value


Texts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Secret = Annotated[SecretStr, BeforeValidator(_by_reference)]
Secrets = Annotated[tuple[Secret, ...], NoDecode, BeforeValidator(_split)]
Pairs = Annotated[dict[str, str], NoDecode, BeforeValidator(_pairs)]
RoleName = Literal["end_user", "viewer", "member", "admin"]
