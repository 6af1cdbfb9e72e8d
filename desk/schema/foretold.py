"""What is expected of services and has not happened: from which alerts, who let it be said, how it went."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from desk.schema.columns import key, metadata, moment, text

# One for each service at a time; ``chance`` is in percent, 0 where nobody knows, ``came`` the incident that
# it became, ``calm_ms`` since when no alert speaks of it.
forecast: Final = sa.Table(
    "forecast",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    text("service"),
    text("impact"),
    moment("expected_ms"),
    sa.Column("chance", sa.Integer, nullable=False, server_default=sa.text("0")),
    moment("heard_ms"),
    moment("told_ms"),
    sa.Column("came", sa.Integer, nullable=False, server_default=sa.text("0")),
    moment("calm_ms"),
    moment("over_ms"),
    sa.Column("people", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("needs", sa.Integer, nullable=False, server_default=sa.text("0")),
    text("note"),
    sa.Index("forecast_by_service", "service", "over_ms"),
)

forecast_alert: Final = sa.Table(
    "forecast_alert",
    metadata,
    key("forecast", "forecast.id"),
    sa.Column("alert", sa.Text, primary_key=True),
    moment("said_ms"),
)

forecast_release: Final = sa.Table(
    "forecast_release",
    metadata,
    key("forecast", "forecast.id"),
    sa.Column("by", sa.Text, primary_key=True),
    moment("at_ms"),
)
