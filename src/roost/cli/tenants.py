"""`roost tenants`: create, list, delete."""

from typing import Annotated

import typer

from roost.cli.connection import with_keeper
from roost.cli.console import out, print_json, print_table
from roost.http import messages as m

app = typer.Typer(no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def create(
    slug: Annotated[str, typer.Argument(help="1 to 40 of a-z, 0-9 and '-'.")],
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    json: Json = False,
) -> None:
    """Make a tenant; its Phoenix starts when somebody first asks for it."""
    row = with_keeper(
        lambda keeper: keeper.ask("tenants/create", m.TenantRow, m.NewTenant(slug, name))
    )
    print_json(row) if json else out.print(f"Made tenant {row.slug}.", markup=False)


@app.command("list")
def list_(json: Json = False) -> None:
    """All tenants."""
    rows = with_keeper(lambda keeper: keeper.ask("tenants/list", list[m.TenantRow]))
    if json:
        print_json(rows)
    else:
        print_table(["slug", "name", "id"], [(row.slug, row.name, row.id) for row in rows])


@app.command()
def delete(
    slug: Annotated[str, typer.Argument(help="The tenant to delete.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a tenant with all its data, for ever."""
    if not yes:
        typer.confirm(f"Delete {slug} and everything it has stored?", abort=True)
    with_keeper(lambda keeper: keeper.ask("tenants/delete", m.Done, m.TenantName(slug), 120))
    out.print(f"Deleted tenant {slug}.", markup=False)
