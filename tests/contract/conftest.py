"""The installed Phoenix's surface, printed once and kept in pytest's cache by its version."""

import os
from pathlib import Path
from typing import NoReturn

import pytest
from tests.phoenix_surface import (
    Surface,
    printed_surface,
    static_directory,
    surface_key,
    surface_of,
)


@pytest.fixture(scope="session")
def surface(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Surface:
    static = static_directory() or _missing()
    kept = _kept(pytestconfig)
    if not kept.exists():
        kept.write_text(printed_surface(tmp_path_factory.mktemp("surface")))
    return surface_of(kept.read_text(), static)


def _missing() -> NoReturn:
    say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    say("arize-phoenix is not installed")


def _kept(config: pytest.Config) -> Path:
    cache = config.cache
    assert cache is not None
    return cache.mkdir("phoenix-surface") / f"{surface_key()}.json"
