"""Templates of labels and annotations: read once when a rule is loaded, printed without ever failing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rules.template.parse import parse
from rules.template.run import Run
from rules.template.tree import Body, Text
from rules.template.value import View, WrongValue

OUTPUT_BYTES_MAX: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Template:
    """A text with values of the alert in it, in Go's text/template as Prometheus uses it.

    ``fixed`` is the text itself where nothing in it depends on the alert, else None.
    """

    text: str
    body: Body
    fixed: str | None

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template, or raise ``Misfit`` with the offset of the mistake."""
        body = parse(text)
        plain = [node.text for node in body.nodes if isinstance(node, Text)]
        return cls(text, body, "".join(plain) if len(plain) == len(body.nodes) else None)

    def render(self, view: View) -> str:
        """Return the text for this view; a mistake prints as ``<error expanding template: ...>``."""
        if self.fixed is not None:
            return self.fixed
        try:
            return _bounded(Run(self.body, view).printed())
        except WrongValue as wrong:
            return f"<error expanding template: {wrong}>"

    def __str__(self) -> str:
        return self.text


def _bounded(parts: Iterable[str]) -> str:
    kept, left = [], OUTPUT_BYTES_MAX
    for part in parts:
        left -= len(part.encode(errors="replace"))
        if left < 0:
            raise WrongValue(f"the text has more than {OUTPUT_BYTES_MAX} bytes")
        kept.append(part)
    return "".join(kept)
