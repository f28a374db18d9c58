"""`roost keys`: create, list, revoke. A key is shown once."""

import time
from typing import Annotated

import typer

from roost.cli.connection import with_keeper
from roost.cli.console import ago, err, out, print_json, print_table
from roost.cli.tenants import Json
from roost.http import messages as m
from roost.model import Scope

app = typer.Typer(no_args_is_help=True)
TenantOption = Annotated[str, typer.Option(help="The tenant's slug.")]


@app.command()
def create(
    tenant: TenantOption,
    scope: Annotated[list[Scope], typer.Option(help="May be repeated.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    project: Annotated[
        str | None, typer.Option(help="Projects that an ingest key may enter: `chat-*`.")
    ] = None,
    default_project: Annotated[
        str | None, typer.Option(help="Where spans go that name no project.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a key. It is shown once."""
    new = m.NewKey(tenant, [one.value for one in scope], name, project, default_project)
    minted = with_keeper(lambda keeper: keeper.ask("keys/create", m.MintedKey, new))
    if json:
        print_json(minted)
        return
    out.print(minted.key, markup=False, soft_wrap=True)
    err.print(
        f"Keep it: it is shown this once. Revoke it with `roost keys revoke {minted.id} "
        f"--tenant {minted.tenant}`.",
        markup=False,
    )


@app.command("list")
def list_(tenant: TenantOption, json: Json = False) -> None:
    """The keys of a tenant."""
    rows = with_keeper(lambda keeper: keeper.ask("keys/list", list[m.KeyRow], m.TenantName(tenant)))
    if json:
        print_json(rows)
        return
    now = time.time()
    print_table(
        ["id", "name", "scopes", "project", "last used", "state"],
        [
            (
                row.id,
                row.name,
                " ".join(row.scopes),
                row.project_pattern,
                ago(row.last_used_at, now),
                "valid" if row.revoked_at is None else "revoked " + ago(row.revoked_at, now),
            )
            for row in rows
        ],
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `roost keys list` shows it.")],
    tenant: TenantOption,
) -> None:
    """Make a key worthless, at once."""
    with_keeper(lambda keeper: keeper.ask("keys/revoke", m.Done, m.KeyName(tenant, key_id)))
    out.print(f"Revoked key {key_id}.", markup=False)
