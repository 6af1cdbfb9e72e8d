"""Where the agent's log goes, and what may stand in it."""

from __future__ import annotations

import logging
import sys
from typing import Final

LINE_CHARACTERS_MAX: Final = 2000


def to_standard_error(*, verbose: bool) -> None:
    """Log to standard error, a line for each event."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(_OneLine())


class _OneLine(logging.Filter):
    """What a host or a log line says must not forge another line or move the cursor."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()[:LINE_CHARACTERS_MAX]
        record.msg = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
        record.args = ()
        return True
