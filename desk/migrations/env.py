"""Alembic runs this to carry out steps: on the connection that it was given, in that one's transaction."""

from __future__ import annotations

from alembic import context

from desk import schema

context.configure(
    connection=context.config.attributes["connection"], target_metadata=schema.metadata, render_as_batch=True
)
context.run_migrations()
