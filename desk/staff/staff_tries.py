"""How often somebody may try a token that is none: buckets in memory, by the name in it and in all."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

TRIES_PER_MINUTE: Final = 5
TRIES_TOGETHER_PER_MINUTE: Final = 300
NAMES_MAX: Final = 1_000
MINUTE_S: Final = 60.0


@dataclass(slots=True)
class _Bucket:
    """So many tries at once, and as many more within each minute."""

    left: float
    at_s: float

    def at(self, now_s: float, most: int) -> float:
        """Return how many tries are left at this moment."""
        self.left = min(most, self.left + (now_s - self.at_s) * most / MINUTE_S)
        self.at_s = now_s
        return self.left


class Tries:
    """Counts tries that failed, by the name in the token, whether or not there is a token of that name.

    A name that failed too often is refused for a while even with the right secret, so that guessing at one
    token is slow; nobody who does not know its name can lock it. In all, so many are judged and logged.
    """

    def __init__(self) -> None:
        self._names: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(TRIES_TOGETHER_PER_MINUTE, 0.0)

    def wait_s(self, name: str, now_s: float) -> float:
        """Return for how long this name is not to be tried again, 0 where it may."""
        bucket = self._names.get(name)
        left = bucket.at(now_s, TRIES_PER_MINUTE) if bucket else TRIES_PER_MINUTE
        return 0.0 if left >= 1 else (1 - left) * MINUTE_S / TRIES_PER_MINUTE

    def failed(self, name: str, now_s: float) -> bool:
        """Count one that failed; return whether it is within what is counted in all."""
        bucket = self._names.pop(name, None) or _Bucket(TRIES_PER_MINUTE, now_s)
        bucket.left = max(0.0, bucket.at(now_s, TRIES_PER_MINUTE) - 1)
        self._names[name] = bucket
        if len(self._names) > NAMES_MAX:
            self._names.popitem(last=False)
        is_within = self._all.at(now_s, TRIES_TOGETHER_PER_MINUTE) >= 1
        self._all.left = max(0.0, self._all.left - 1)
        return is_within
