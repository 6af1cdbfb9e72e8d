"""What a ping asks, read from its address as Healthchecks' clients write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agent.api.endpoint import Request
from probes.job.heard import Signal

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CODE: Final = re.compile(r"[0-9]{1,3}")
_SIGNALS: Final = {"start": Signal.START, "fail": Signal.FAIL, "log": Signal.LOG}


class NotAPing(Exception):
    """An address is not that of a ping; carries the status and the sentence to be answered."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Asked:
    """Who pings, by ``uuid`` or by ``key`` and ``slug``, and what about.

    ``create`` wants an unknown slug to become a job.
    """

    signal: Signal
    uuid: str = ""
    key: str = ""
    slug: str = ""
    exit_status: int | None = None
    run_id: str = ""
    create: bool = False


def read(request: Request) -> Asked:
    """Return what is asked behind ``/ping/``, or raise ``NotAPing``."""
    words = request.part.split("/")
    run_id = request.one("rid").lower()
    if run_id and not _UUID.fullmatch(run_id):
        raise NotAPing(400, "invalid uuid format")
    create = request.one("create") == "1"
    uuid = words[0].lower()
    if _UUID.fullmatch(uuid) and len(words) <= 2:
        signal, status = _signal(words[1:])
        return Asked(signal, uuid=uuid, exit_status=status, run_id=run_id)
    if not 2 <= len(words) <= 3 or not all(words):
        raise NotAPing(404, "not found")
    signal, status = _signal(words[2:])
    return Asked(signal, "", words[0], words[1], status, run_id, create)


def _signal(words: list[str]) -> tuple[Signal, int | None]:
    """Return what the end of an address says: nothing for success, a word, or an exit status."""
    if not words:
        return Signal.SUCCESS, None
    if words[0] in _SIGNALS:
        return _SIGNALS[words[0]], None
    if not _CODE.fullmatch(words[0]) or int(words[0]) > 255:
        raise NotAPing(400, "invalid url format")
    return (Signal.FAIL if int(words[0]) else Signal.SUCCESS), int(words[0])
