"""Changes to scraped labels, as Prometheus' ``metric_relabel_configs`` mean them.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config. Not done here are
``hashmod``, ``keepequal`` and ``dropequal``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from model.decode import Raw
from model.labels import Labels
from model.misfit import Misfit
from model.regex import Regex, compiled

Action = Literal["replace", "keep", "drop", "labeldrop", "labelkeep", "labelmap", "lowercase", "uppercase"]

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_TARGET: Final = re.compile(r"(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))\w*)+", re.ASCII)
_JOINT: Final = Raw(";")
_ANYTHING: Final = Raw("(.*)")
_ALL_OF_IT: Final = Raw("$1")
_NEEDS_TARGET: Final = ("replace", "lowercase", "uppercase")


@dataclass(frozen=True, slots=True)
class Relabel:
    """One change, with Prometheus' keys and defaults.

    The values of ``source_labels``, joined by ``separator``, must match ``regex`` as a whole. ``replace``
    then sets ``target_label`` to ``replacement``, in which $1 is a group; ``keep`` and ``drop`` choose
    series; ``labeldrop``, ``labelkeep`` and ``labelmap`` look at the names of labels in place of values.
    """

    source_labels: tuple[str, ...] = ()
    separator: Raw = _JOINT
    target_label: str = ""
    regex: Raw = _ANYTHING
    replacement: Raw = _ALL_OF_IT
    action: Action = "replace"
    _regex: Regex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "_regex", compiled(self.regex))
        except Misfit as wrong:
            raise Misfit(wrong.sentence, wrong.cure, key="regex") from None
        if (self.action in _NEEDS_TARGET) is not bool(self.target_label):
            cure = "add target_label:" if not self.target_label else "remove target_label:"
            raise Misfit(f"the action {self.action} does not fit its target_label", cure)
        if self.target_label and not _TARGET.fullmatch(self.target_label):
            cure = "use letters, digits and _"
            raise Misfit(f"{self.target_label!r} cannot be a label name", cure, key="target_label")

    def applied(self, labels: Labels) -> Labels | None:
        """Return the labels as changed, or None where their series is dropped."""
        if self.action in ("labeldrop", "labelkeep"):
            keep = self.action == "labelkeep"
            return Labels.of(pair for pair in labels.pairs if self._regex.matches(pair[0]) is keep)
        if self.action == "labelmap":
            mapped = ((name, value) for name, value in labels.pairs if self._regex.matches(name))
            return labels.having({self._regex.replaced(name, self.replacement): v for name, v in mapped})
        text = self.separator.join(labels.get(name) for name in self.source_labels)
        if self.action in ("keep", "drop"):
            return labels if self._regex.matches(text) is (self.action == "keep") else None
        return self._replaced(labels, text)

    def _replaced(self, labels: Labels, text: str) -> Labels:
        if self.action != "replace":
            return labels.having(
                {self.target_label: text.lower() if self.action == "lowercase" else text.upper()}
            )
        match = self._regex.fullmatch(text)
        if match is None:
            return labels
        name = match.expanded(self.target_label)
        return labels.having({name: match.expanded(self.replacement)}) if _LABEL.fullmatch(name) else labels


def relabelled(labels: Labels, changes: Iterable[Relabel]) -> Labels | None:
    """Return the labels after all changes in their order, or None where one of them drops the series."""
    now: Labels | None = labels
    for change in changes:
        if now is None:
            return None
        now = change.applied(now)
    return now
