"""Which hosts a service has, and which of them are worked on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "lease",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("playbook", sa.Text(), server_default="", nullable=False),
        sa.Column("granted_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("service", "host"),
    )
    op.create_index("lease_by_end", "lease", ["until_ms"], unique=False)
    op.create_table(
        "member",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("heard_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("service", "host"),
    )
