"""Alembic's entry: the engine hands its connection over, nothing is configured by file."""

from alembic import context

from roost.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
