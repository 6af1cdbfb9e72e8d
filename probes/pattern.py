"""Regular expressions that are searched for in what a target said or a process is called."""

from __future__ import annotations

from dataclasses import dataclass, field

from model.regex import Match, Regex, compiled


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression of RE2's kind; a dot does not match the end of a line, as in blackbox_exporter."""

    text: str
    _regex: Regex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_regex", compiled(self.text, dot_all=False))

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read the expression or raise ``Misfit``."""
        return cls(text)

    def search(self, data: bytes) -> Match | None:
        """Return the first match in these bytes; what is not UTF-8 in them reads as U+FFFD."""
        return self._regex.search(data.decode("utf-8", "replace"))

    def __str__(self) -> str:
        return self.text
