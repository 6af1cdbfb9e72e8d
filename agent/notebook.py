"""A notebook: one JSON file of what may be lost but is better kept, written whole or not at all."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Final

BYTES_MAX: Final = 64 << 20

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC

log = logging.getLogger("beforehand.notebook")


class Notebook:
    """One file in the state directory; neither reading nor writing raises, since work goes on without."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> object:
        """Return what was written last, or None where nothing usable is there."""
        try:
            with self._path.open("rb") as file:
                text = file.read(BYTES_MAX + 1)
            if len(text) <= BYTES_MAX:
                known: object = json.loads(text)
                return known
            log.warning("%s is too large and begins anew", self._path.name)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as wrong:
            log.warning("%s cannot be read and begins anew: %s", self._path.name, wrong)
        return None

    def write(self, known: object) -> None:
        """Put this in place of what was there."""
        text = json.dumps(known, separators=(",", ":")).encode()
        beside = self._path.with_suffix(".new")
        try:
            with os.fdopen(os.open(beside, _FLAGS, 0o600), "wb") as file:
                file.write(text)
            beside.replace(self._path)
        except OSError as wrong:
            log.warning("%s is not written: %s", self._path.name, wrong)
