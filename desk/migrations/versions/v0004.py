"""What came after version 3: each room's tables in a function of its own."""

from __future__ import annotations

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make them."""
