"""Who looks at the store for everybody: for those who listen to its news, and for the copy of the page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from desk.page.view import PageView, honest
from desk.public.events import Broadcast

REST_S: Final = 60.0
PAUSE_S: Final = 1.0


class Lookout:
    """Reads the page when something may have changed, at most once a second and at least once a minute.

    While nobody listens and no copy is kept, once a minute is all.
    """

    def __init__(
        self,
        read: Callable[[], PageView],
        broadcast: Broadcast,
        keep: Callable[[PageView], None] | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._read = read
        self._broadcast = broadcast
        self._keep = keep
        self._monotonic = monotonic
        self._read_s: float | None = None

    def step(self) -> float:
        """Look, tell and copy if it is time; return for how many seconds to rest unless woken."""
        wanted = self._broadcast.listeners or self._keep is not None
        pause_s = PAUSE_S if wanted else REST_S
        now_s = self._monotonic()
        if self._read_s is not None and now_s < self._read_s + pause_s:
            return self._read_s + pause_s - now_s
        page = honest(self._read())
        self._read_s = self._monotonic()
        self._broadcast.tell(page)
        if self._keep is not None:
            self._keep(page)
        return REST_S
