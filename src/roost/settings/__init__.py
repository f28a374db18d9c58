"""Roost's settings: one frozen value from `roost.toml` and ROOST_*."""

from roost.settings.loading import (
    NOT_SETTINGS,
    load_settings,
    settings_as_json,
    settings_from_json,
)
from roost.settings.rows import CONFIG_FILE, PREFIX, Settings

__all__ = [
    "CONFIG_FILE",
    "NOT_SETTINGS",
    "PREFIX",
    "Settings",
    "load_settings",
    "settings_as_json",
    "settings_from_json",
]
