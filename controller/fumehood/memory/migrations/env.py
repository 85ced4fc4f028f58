"""Run by Alembic: upgrades our tables on the connection that ``schema`` hands over, in its transaction."""

from alembic import context

from fumehood.memory.schema import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
