"""Where in a JSON document a value stands: ``$.queues[0].depth``, RFC 9535's names and indexes alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit

STEPS_MAX: Final = 32

_STEP: Final = re.compile(
    r"""\.?(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>-?[0-9]{1,6})\]"""
    r"""|\[(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)")\]"""
)


@dataclass(frozen=True, slots=True)
class JsonPath:
    """Names and indexes from the root of a document down to a value."""

    steps: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> JsonPath:
        """Read a path; the leading ``$`` may be left out, a negative index counts from the end."""
        steps: list[str | int] = []
        at = 1 if text.startswith("$") else 0
        while at < len(text):
            step = _STEP.match(text, at)
            bare = step is not None and at > 0 and step["name"] is not None and text[at] != "."
            if step is None or bare or len(steps) >= STEPS_MAX:
                raise Misfit(
                    f"{text[:60]!r} is not a JSON path", "write it like $.queues[0].depth", offset=at
                )
            steps.append(_meant(step))
            at = step.end()
        return cls(tuple(steps))

    def value(self, document: object) -> object:
        """Return what stands there, or None where there is no such place."""
        for step in self.steps:
            if isinstance(step, str) and isinstance(document, dict):
                document = document.get(step)
            elif (
                isinstance(step, int)
                and isinstance(document, list)
                and -len(document) <= step < len(document)
            ):
                document = document[step]
            else:
                return None
        return document


def _meant(step: re.Match[str]) -> str | int:
    if step["index"] is not None:
        return int(step["index"])
    return next(word for word in (step["name"], step["single"], step["double"]) if word is not None)
