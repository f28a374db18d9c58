"""`roost cells`: status, stop, logs, attach, detach."""

from typing import Annotated

import typer

from roost.cli.connection import with_keeper
from roost.cli.console import err, out, print_json, print_table
from roost.cli.tenants import Json
from roost.http import messages as m

app = typer.Typer(no_args_is_help=True)
Tenant = Annotated[str, typer.Argument(help="The tenant's slug.")]


@app.command()
def status(json: Json = False) -> None:
    """Each tenant's Phoenix: asleep, waking, up, stopping, failed or attached."""
    rows = with_keeper(lambda keeper: keeper.ask("cells/list", list[m.CellRow]))
    if json:
        print_json(rows)
        return
    print_table(
        ["tenant", "kind", "state", "pid", "awake", "detail"],
        [
            (
                row.tenant,
                row.kind,
                row.state,
                row.pid,
                "" if row.awake_s is None else f"{row.awake_s:.0f} s",
                row.detail or row.url,
            )
            for row in rows
        ],
    )


@app.command()
def stop(tenant: Tenant) -> None:
    """Stop a tenant's Phoenix; the next request wakes it."""
    with_keeper(lambda keeper: keeper.ask("cells/stop", m.Done, m.TenantName(tenant), 120))
    out.print(f"Stopped the cell of {tenant}.", markup=False)


@app.command()
def logs(tenant: Tenant) -> None:
    """What a tenant's Phoenix printed, the last of it."""
    text = with_keeper(lambda keeper: keeper.ask("cells/logs", m.Text, m.TenantName(tenant)))
    out.print(text.text, markup=False, soft_wrap=True)


@app.command()
def attach(
    tenant: Tenant,
    url: Annotated[str, typer.Option(help="Where that Phoenix is reached from here.")],
    json: Json = False,
) -> None:
    """Let a tenant live in a Phoenix that someone else runs.

    Prints what that Phoenix has to be started with until nothing speaks against it any more.
    """
    said = with_keeper(
        lambda keeper: keeper.ask("cells/attach", m.Attachment, m.Attach(tenant, url), 120)
    )
    if json:
        print_json(said)
    elif said.attached:
        out.print(f"Attached: {tenant} lives at {url} now.", markup=False)
    else:
        _tell_terms(said)
    if not said.attached:
        raise typer.Exit(1)


def _tell_terms(said: m.Attachment) -> None:
    err.print("Not attached yet:", style="yellow")
    for finding in said.findings:
        err.print(f"  - {finding}", markup=False)
    err.print("\nStart that Phoenix with this environment, then run the command again:\n")
    for name, value in said.environment.items():
        out.print(f"{name}={value}", markup=False, soft_wrap=True)
    if trust := said.environment.get("SSL_CERT_FILE"):
        err.print(f"\nand with this file as {trust}:\n", markup=False)
        out.print(said.trust_pem, markup=False, soft_wrap=True)


@app.command()
def detach(tenant: Tenant) -> None:
    """Forget the attached Phoenix of a tenant; it has a managed cell again."""
    with_keeper(lambda keeper: keeper.ask("cells/detach", m.Done, m.TenantName(tenant)))
    out.print(f"Detached {tenant}.", markup=False)
