"""From files and variables to settings; from one process to the next.

Rule: all errors are told at once, and none of them repeats a value.
"""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from roost.errors import ConfigError
from roost.settings.rows import PREFIX, Settings, config_file

NOT_SETTINGS = ("ROOST_CONFIG", "ROOST_TEST_")
"""The file to read instead of `roost.toml`, and what only Roost's own tests read."""


def load_settings() -> Settings:
    """The settings of this process. ConfigError tells every finding at once."""
    findings = [*_unknown_variables(os.environ), *_missing_file(os.environ)]
    try:
        settings = Settings()
    except ValidationError as error:
        raise ConfigError([*findings, *_explained(error)]) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([*findings, f"{config_file(os.environ)}: {error}"]) from None
    except (OSError, UnicodeDecodeError):
        unread = f"{config_file(os.environ)} cannot be read as text in UTF-8"
        raise ConfigError([*findings, unread]) from None
    if findings:
        raise ConfigError(findings)
    return settings


def settings_as_json(settings: Settings) -> str:
    """For the pipe to a process that is to have the same settings; secrets are in it."""
    plain = settings.model_dump(mode="json", exclude={"nextauth_secrets"})
    plain["data_dir"] = str(settings.data_dir.resolve())
    plain["nextauth_secrets"] = [one.get_secret_value() for one in settings.nextauth_secrets]
    return json.dumps(plain)


def settings_from_json(text: str) -> Settings:
    """What `settings_as_json` wrote, whatever stands in a file or in the environment here."""
    return _Given(**json.loads(text))


class _Given(Settings):
    """Settings with one source."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def _missing_file(environ: Mapping[str, str]) -> Iterator[str]:
    if (named := environ.get("ROOST_CONFIG")) and not Path(named).is_file():
        yield f"ROOST_CONFIG names {named}, which is not a file"


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known and not name.startswith(NOT_SETTINGS):
            yield f"{name} is no setting of Roost; docs/settings.md lists them"


def _explained(error: ValidationError) -> Iterator[str]:
    for finding in error.errors(include_input=False, include_url=False):
        name = str(finding["loc"][0]) if finding["loc"] else ""
        if finding["type"] == "extra_forbidden":
            yield f"{name} is no setting of Roost; docs/settings.md lists them"
        else:
            text = finding["msg"].removeprefix("Value error, ")
            yield f"{name} ({PREFIX}{name.upper()}): {text}" if name else text
