"""The rows of the settings: what an installation can choose.

Rule: every setting is a row of `Settings` with a description; a name that no row has is refused.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from roost.errors import ConfigError
from roost.ingest.mask import parse_mask
from roost.model import Role, as_slug
from roost.policy.forwarding import parse_policy
from roost.settings.values import Pairs, RoleName, Secrets, Texts

CONFIG_FILE = "roost.toml"
PREFIX = "ROOST_"
MIN_SECRET_CHARACTERS = 32


class Settings(BaseSettings):
    """What an installation can choose; `docs/settings.md` is made from these rows."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(
        default=Path(".roost"),
        description="Where Roost keeps everything; one keeper at a time holds it.",
    )
    host: str = Field(
        default="127.0.0.1", description="Address to listen on; loopback unless told."
    )
    port: int = Field(default=8420, ge=1, le=65535, description="Port to listen on.")
    base_path: str = Field(
        default="/api/phoenix",
        description="URL path of Roost in the app; kept by the data directory.",
    )
    public_url: str = Field(
        default="", description="Origin of the app as browsers see it, `https://app.example.com`."
    )
    enabled: bool = Field(
        default=True, description="`false` hides UI and API behind 404 and keeps ingesting."
    )
    allowed_hosts: Texts = Field(
        default=(),
        description="Host headers that are answered beside `public_url`'s and loopback's.",
    )
    allowed_origins: Texts = Field(
        default=(),
        description="Origins that may send unsafe requests with a cookie, beside the own one.",
    )
    frame_ancestors: Texts = Field(
        default=("'self'",), description="Who may frame Phoenix's UI (CSP `frame-ancestors`)."
    )

    nextauth_version: Literal[4, 5] = Field(
        default=5, description="4 for next-auth 4, 5 for Auth.js and next-auth 5."
    )
    nextauth_secrets: Secrets = Field(
        default=(),
        description="The host's AUTH_SECRET or NEXTAUTH_SECRET, newest first, at least 32 "
        "characters each; `env:NAME` or `file:PATH` names one.",
    )
    nextauth_cookie: str = Field(
        default="", description="The session cookie's name where the host has chosen its own."
    )

    admins: Texts = Field(
        default=(), description="E-mail addresses or subjects that are admin of every tenant."
    )
    tenant_claim: str = Field(
        default="",
        description="Claim that names the tenant (or tenants): `tenant`, `user.org.slug`.",
    )
    tenant_constant: str = Field(
        default="", description="The one tenant that everybody belongs to."
    )
    role_claim: str = Field(default="", description="Claim that names the role.")
    role_constant: RoleName | None = Field(default=None, description="The role that everybody has.")
    role_map: Pairs = Field(
        default={}, description="The host's role names in Roost's: `owner=admin, analyst=viewer`."
    )
    subject_claim: str = Field(default="sub", description="Claim that names the person, for ever.")
    email_claim: str = Field(default="email", description="Claim with the e-mail address.")
    name_claim: str = Field(default="name", description="Claim with the name to show.")
    user_id_claim: str = Field(
        default="sub", description="Claim that equals `user.id` in the spans of that person."
    )

    isolation: Literal["process"] = Field(
        default="process",
        description="What separates cells: `process` (tenants that trust each other).",
    )
    egress_allow: Texts = Field(
        default=(),
        description="Model endpoints that cells may reach: `api.openai.com`, "
        "`*.openai.azure.com`, `http://127.0.0.1:8000`. Empty: none.",
    )
    internal_host: str = Field(
        default="127.0.0.1",
        description="Address of the internal listener (OIDC for cells); other than loopback "
        "speaks TLS, for attached cells.",
    )
    internal_port: int = Field(
        default=0, ge=0, le=65535, description="Port of the internal listener; 0 takes a free one."
    )
    internal_names: Texts = Field(
        default=(),
        description="Further DNS names and addresses in the internal listener's certificate.",
    )
    launcher: Literal["zygote", "spawn"] = Field(
        default="zygote",
        description="`zygote` forks cells in seconds (Linux); `spawn` starts each anew.",
    )
    cells_awake_max: int = Field(default=8, ge=1, description="Cells that run at a time.")
    cell_idle_after_s: float = Field(
        default=900, gt=0, description="A cell without a request or stream for so long is stopped."
    )
    cell_start_timeout_s: float = Field(
        default=120, gt=0, description="How long a cell may take until it answers."
    )
    keeper_idle_after_s: float = Field(
        default=30,
        gt=0,
        description="A keeper that a mounted gateway or a command has started ends so long after "
        "it was last needed.",
    )
    cell_memory_mb: int = Field(default=2048, ge=256, description="Memory ceiling of one cell.")
    cell_heavy_queries_max: int = Field(
        default=2, ge=1, description="Costly queries that run at a time in one cell."
    )
    identity_cache_s: float = Field(
        default=60, ge=0, le=60, description="How long a proof is believed without looking again."
    )
    max_body_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1024, description="Largest request body that is forwarded."
    )
    max_ingest_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        description="Largest OTLP body, as sent and once inflated.",
    )
    ingest_large_batches_max: int = Field(
        default=2, ge=1, description="Large batches that a process decodes at a time."
    )
    ingest_waiting_batches_max: int = Field(
        default=32,
        ge=1,
        description="Large batches that a process holds at a time, decoding and waiting; above it "
        "spans are answered with 503.",
    )
    grpc_address: str = Field(
        default="",
        description="Where OTLP over gRPC is taken, `127.0.0.1:4317`; empty: nowhere. The keeper "
        "listens there.",
    )
    grpc_certificate: Path | None = Field(
        default=None,
        description="Certificate chain (PEM) of that address; without one it is plain.",
    )
    grpc_key: Path | None = Field(default=None, description="Its private key (PEM).")
    grpc_batches_max: int = Field(
        default=64, ge=1, description="Batches over gRPC that are held at a time."
    )
    grpc_read_timeout_s: float = Field(
        default=60, gt=0, description="How long a batch over gRPC may take to arrive."
    )
    live_backlog: int = Field(
        default=256,
        ge=1,
        description="Changed traces that a live watcher may be behind before some are dropped.",
    )
    live_watchers_max: int = Field(
        default=2000, ge=1, description="Live watchers of one gateway process."
    )
    events_retention_days: int | None = Field(
        default=None,
        ge=1,
        description="Events older than so many days are deleted; without it none.",
    )
    events_ask_first: bool = Field(
        default=False, description="Store only events of people who have agreed to it."
    )
    end_user_fields: Pairs = Field(
        default={},
        description="What end users see beyond their questions and answers, by tenant: "
        "`acme-*=tools+metadata, *=annotations`.",
    )
    mask: Texts = Field(
        default=(),
        description="What is masked in spans before anything is stored: `keys:llm.input_messages.*`"
        ", `email`, `credit-card`, `ipv4`, `ipv6`, `aws-key`, `bearer-token`, `re:<expression>`.",
    )
    forward_policy: Pairs = Field(
        default={},
        description="Which traces go on to Phoenix, by project pattern: `noisy-*=sample:0.1, "
        "batch=errors`. All, where none fits; the rest stays in Roost's log and index.",
    )
    log_quota_mb: int = Field(
        default=8192,
        ge=64,
        description="What one tenant's log may take. Over it, spans are answered with 429.",
    )
    log_keep_mb: int = Field(
        default=1024,
        ge=64,
        description="How much of a tenant's log is kept once Phoenix has it. Where "
        "`forward_policy` keeps spans from Phoenix, the log keeps everything until "
        "`retention_days` have passed.",
    )
    retention_days: int = Field(
        default=0,
        ge=0,
        description="Traces that began earlier are deleted from index, log and Phoenix; 0 keeps "
        "them for ever.",
    )
    homes_open_max: int = Field(
        default=64, ge=1, description="Homes that are kept open though nobody uses them."
    )
    requests_per_minute: int = Field(
        default=6000,
        ge=1,
        description="Requests of one proof a minute before 429, or of one address without a proof.",
    )

    @field_validator("nextauth_secrets")
    @classmethod
    def _long_enough(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value()) < MIN_SECRET_CHARACTERS for secret in secrets):
            raise ValueError(
                f"a secret is shorter than {MIN_SECRET_CHARACTERS} characters; "
                "make one with `openssl rand -base64 33`"
            )
        return secrets

    @field_validator("base_path")
    @classmethod
    def _plain_path(cls, path: str) -> str:
        parts = path.split("/")
        if parts[0] or not all(part and part == part.strip(".%?#\\ ") for part in parts[1:]):
            raise ValueError("write it like /api/phoenix, without a slash at its end")
        return path

    @field_validator("public_url")
    @classmethod
    def _origin(cls, url: str) -> str:
        return _as_origin(url) if url else ""

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_as_origin, urls))

    @field_validator("tenant_constant")
    @classmethod
    def _slug(cls, slug: str) -> str:
        if slug and as_slug(slug) is None:
            raise ValueError("a tenant's slug is 1 to 40 of a-z, 0-9 and '-'")
        return slug

    @field_validator("end_user_fields")
    @classmethod
    def _known_fields(cls, table: dict[str, str]) -> dict[str, str]:
        if table:
            from roost.http.api.viewer import opened_by  # with the API: only where it is needed

            opened_by(table)
        return table

    @field_validator("mask")
    @classmethod
    def _known_rules(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        try:
            parse_mask(rules)
        except ConfigError as error:
            raise ValueError("; ".join(error.findings)) from None
        return rules

    @model_validator(mode="after")
    def _certificate_with_key(self) -> "Settings":
        if (self.grpc_certificate is None) != (self.grpc_key is None):
            raise ValueError("set grpc_certificate and grpc_key, or neither")
        return self

    @field_validator("forward_policy")
    @classmethod
    def _known_policies(cls, table: dict[str, str]) -> dict[str, str]:
        for text in table.values():
            parse_policy(text)
        return table

    @field_validator("role_map")
    @classmethod
    def _known_roles(cls, table: dict[str, str]) -> dict[str, str]:
        known = {role.label for role in Role}
        if unknown := sorted(set(table.values()) - known):
            raise ValueError(f"{', '.join(unknown)}: use {', '.join(sorted(known))}")
        return table

    @model_validator(mode="after")
    def _one_source_each(self) -> "Settings":
        for what in ("tenant", "role"):
            if getattr(self, f"{what}_claim") and getattr(self, f"{what}_constant"):
                raise ValueError(f"set {what}_claim or {what}_constant, not both")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls, config_file(os.environ))
        return init_settings, env_settings, toml


def config_file(environ: Mapping[str, str]) -> Path:
    """The file that is read."""
    return Path(environ.get("ROOST_CONFIG") or CONFIG_FILE)


def _as_origin(url: str) -> str:
    """Scheme, host and port, as browsers write an origin.

    >>> _as_origin("https://App.example.com/"), _as_origin("http://box:8420")
    ('https://app.example.com', 'http://box:8420')
    """
    parts = urlsplit(url)
    plain = f"{parts.scheme}://{parts.netloc}".lower()
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in plain or any(rest):
        raise ValueError("write it like https://app.example.com, without a path")
    return plain
