"""What rules say to customers, judged by the desk through its entry point where it is installed."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Iterator
from typing import Final

from rules.file import AlertingRule, RuleFile
from rules.lint.lint import Finding

GROUP: Final = "beforehand.texts"

_TEXT: Final = re.compile(r"notice(?:_next)?(?:_([a-z]{2,3}))?")
_VALUE: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)

Judge = Callable[[str, str], tuple[tuple[str, str], ...]]
"""From a text and its language, "" where it is not known, to pairs of what is wrong and what cures it."""


def judge() -> Judge | None:
    """Return who judges what customers read, or None where the desk is not installed."""
    for point in importlib.metadata.entry_points(group=GROUP):
        try:
            found: Judge = point.load()
        except ModuleNotFoundError:
            return None
        return found
    return None


def misspoken(file: RuleFile, lint: str) -> Iterator[Finding]:
    """Find what annotations that customers read must not say; a value of the alert counts as a number."""
    judged = judge()
    if judged is None:
        return
    for group in file.groups:
        for rule in group.rules.each:
            if not isinstance(rule, AlertingRule):
                continue
            for name, template in rule.annotations.each:
                shape = _TEXT.fullmatch(name)
                if shape is None:
                    continue
                for sentence, cure in judged(_VALUE.sub("1", template.text), shape[1] or ""):
                    yield Finding(rule.place, lint, f"{rule.name[:60]!r}, {name}: {sentence}", cure)
