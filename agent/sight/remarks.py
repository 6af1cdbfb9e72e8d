"""What probes said in words: the newest remark about each series, for those who read an alert about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from model.labels import Labels
from model.plugin import Remark
from remediations.redact import presentable

REMARKS_MAX: Final = 1_000
REMARK_BYTES_MAX: Final = 4_096


class Remarks:
    """The newest remarks by what they are about; the oldest leave first."""

    def __init__(self) -> None:
        self._texts: dict[Labels, str] = {}

    def hear(self, target: Labels, remarks: Iterable[Remark]) -> None:
        """Keep what a run of a probe remarked about its target, as text that may be shown to people."""
        for remark in remarks:
            about = remark.labels.having(target)
            self._texts.pop(about, None)
            self._texts[about] = presentable(remark.text.encode(errors="replace"), REMARK_BYTES_MAX)
        while len(self._texts) > REMARKS_MAX:
            del self._texts[next(iter(self._texts))]

    def about(self, alert: Labels) -> str:
        """Return the newest remark whose labels an alert carries, all of them; or nothing."""
        for about, text in reversed(self._texts.items()):
            if all(alert.get(name) == value for name, value in about.pairs):
                return text
        return ""
