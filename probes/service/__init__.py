"""Services from within: their processes, and what they say of themselves."""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes.service import (
    container,
    memcached,
    mysql,
    nginx,
    postfix,
    postgres,
    process,
    redis,
    scrape,
)

SERVICE: Final[tuple[AnyProbe, ...]] = (
    process.PROBE,
    scrape.PROBE,
    postgres.PROBE,
    mysql.PROBE,
    redis.PROBE,
    memcached.PROBE,
    nginx.PROBE,
    container.PROBE,
    postfix.PROBE,
)
