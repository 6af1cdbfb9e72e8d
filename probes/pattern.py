"""Regular expressions that are searched for in what a target said or a process is called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from model.matcher import compiled


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression of RE2's kind; a dot does not match the end of a line, as in blackbox_exporter."""

    text: str
    _regex: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        compiled(self.text)  # refuses what RE2 refuses, but its dot matches everything
        object.__setattr__(self, "_regex", re.compile(self.text, re.ASCII))

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read the expression or raise ``Misfit``."""
        return cls(text)

    def search(self, data: bytes) -> re.Match[str] | None:
        """Return the first match in these bytes; what is not UTF-8 in them reads as U+FFFD."""
        return self._regex.search(data.decode("utf-8", "replace"))

    def __str__(self) -> str:
        return self.text
