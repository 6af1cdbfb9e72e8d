"""The moment at which an episode begins, or grows."""

from __future__ import annotations

from typing import Final

_QUIET: Final = 100
_STILL: Final = 0.8
_FADES: Final = 0.5 ** (1 / 20)
_LOAD: Final = 0.1
_LOAD_MAX: Final = 3.0
_LOAD_FADES: Final = 0.5 ** (1 / 3000)


class Onset:
    """Lets evidence through when it is the largest of its episode; often disturbed, less easily disturbed.

    An episode ends after 100 samples without evidence near its largest, which then fades (half in 20
    samples). Each episode adds to a load that fades as well (half in 3000 samples), and evidence is divided
    by one more than the load.
    """

    __slots__ = ("_largest", "_left", "_load")

    def __init__(self) -> None:
        self._largest = 0.0
        self._left = 0
        self._load = 0.0

    def passed(self, evidence: float) -> float:
        """Return the evidence, weighed, if it begins an episode or is the largest of it, otherwise 0."""
        self._load *= _LOAD_FADES
        if not self._left:
            self._largest *= _FADES
        if evidence > self._largest:
            weighed = evidence / (1.0 + self._load)
            if not self._left:
                self._load += _LOAD * min(evidence, _LOAD_MAX)
            self._largest, self._left = evidence, _QUIET
            return weighed
        if evidence > _STILL * self._largest:
            self._left = _QUIET
        elif self._left:
            self._left -= 1
        return 0.0
