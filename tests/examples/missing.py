"""What a test needs and the machine may not have: CI fails without it, elsewhere a test is
skipped with the reason."""

import os
import shutil
from typing import NoReturn

import pytest


def program(name: str) -> str:
    """Its path."""
    found = shutil.which(name)
    return found or give_up(f"{name} is not installed (scripts/system-deps does it)")


def give_up(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
