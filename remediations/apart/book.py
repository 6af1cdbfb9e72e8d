"""What the hand wrote down: each step before it is taken and after, and who was sent away.

A line of JSON for each, and in each the SHA-256 of the line before, so that a line which is changed, taken
out or put in is noticed. The acts are on disk before they are done. Those who were sent away have a file of
their own, so that nobody can push the acts out of sight by asking in vain.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from remediations.apart.allowed import Past, Start
from remediations.budget import PER_MAX

LINES_BYTES_MAX: Final = 16 << 20
LINE_BYTES_MAX: Final = 64 << 10
REFUSED_A_MINUTE_MAX: Final = 60
STARTS_MAX: Final = 10_000
SERVED_MAX: Final = 10_000
KEPT_MS: Final = PER_MAX.ms + 3_600_000

_SEED: Final = "0" * 64
_MINUTE_MS: Final = 60_000


class Lines:
    """A file of chained lines; when it is full it is put aside as ``.1``, in place of the one before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._last = _SEED
        self._open()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def turn(self) -> bool:
        """Put a file that is full aside, and tell whether it was; may raise ``OSError``."""
        full = os.fstat(self._fd).st_size > LINES_BYTES_MAX
        if full:
            os.close(self._fd)
            self._path.replace(self._aside)
            self._open()
        return full

    def write(self, line: dict[str, Any], *, sure: bool) -> None:
        """Write one line, and with ``sure`` have it on disk before this returns; may raise ``OSError``."""
        text = json.dumps({**line, "after": self._last}, separators=(",", ":")).encode()
        _write(self._fd, text + b"\n")
        self._last = hashlib.sha256(text).hexdigest()
        if sure:
            os.fsync(self._fd)

    def each(self) -> Iterator[dict[str, Any]]:
        """Yield what stands in both files; a line that a kill cut short is left out."""
        for path in (self._aside, self._path):
            for text in _texts(path):
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    yield line

    @property
    def _aside(self) -> Path:
        return self._path.with_name(f"{self._path.name}.1")

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._path, flags, 0o600)
        size = os.fstat(self._fd).st_size
        tail = os.pread(self._fd, LINE_BYTES_MAX, max(0, size - LINE_BYTES_MAX))
        if tail and not tail.endswith(b"\n"):
            _write(self._fd, b"\n")  # the line that a kill cut short ends here
        written = tail.rstrip(b"\n").rpartition(b"\n")[2]
        if written:
            self._last = hashlib.sha256(written).hexdigest()


def broken_line(path: Path) -> int:
    """Return the number of the first line that does not follow from the one before, or 0."""
    before = ""
    for number, text in enumerate(_texts(path), 1):
        try:
            after = json.loads(text)["after"]
        except (ValueError, KeyError, TypeError):
            return number
        if before and after != before:
            return number
        before = hashlib.sha256(text).hexdigest()
    return 0


class HandBook:
    """The hand's memory in its state folder; used by one thread, times are ms since 1970 in UTC."""

    def __init__(self, folder: Path) -> None:
        self._acts = Lines(folder / "acts.jsonl")
        self._refused = Lines(folder / "refused.jsonl")
        self._starts: OrderedDict[str, Start] = OrderedDict()
        # For each ask the run that it served. No time ends this: a clock that is set must not free a grant.
        self._served: OrderedDict[str, str] = OrderedDict()
        self._turned_away: deque[int] = deque(maxlen=REFUSED_A_MINUTE_MAX)
        self._turned = False
        self.untold = 0
        self.unfinished = self._recall()

    def close(self) -> None:
        """Close the files."""
        self._acts.close()
        self._refused.close()

    def past(self, now_ms: int) -> Past:
        """Return what counts; a run from beyond a clock that was set back began now."""
        for run, start in tuple(self._starts.items()):
            if start.began_ms > now_ms:
                self._starts[run] = replace(start, began_ms=now_ms)
            elif start.began_ms < now_ms - KEPT_MS:
                del self._starts[run]
        return Past(self._starts, self._served)

    def intend(self, step: dict[str, Any], start: Start | None) -> None:
        """Write that a step is about to be taken, ``start`` where it counts; may raise ``OSError``."""
        self._make_room()
        counted = _counted(start) if start is not None else {}
        self._acts.write({"what": "intent", **step, **counted}, sure=True)
        if start is not None:
            self._count(start)

    def note(self, result: dict[str, Any]) -> None:
        """Write what came of a step; may raise ``OSError``."""
        self._acts.write({"what": "result", **result}, sure=True)

    def refuse(self, line: dict[str, Any], now_ms: int) -> bool:
        """Write who was sent away, or only count; tell whether it was written. May raise ``OSError``."""
        if len(self._turned_away) == REFUSED_A_MINUTE_MAX and now_ms - self._turned_away[0] < _MINUTE_MS:
            self.untold += 1
            return False
        self._turned_away.append(now_ms)
        self._refused.turn()
        more = {"untold": self.untold} if self.untold else {}
        self.untold = 0
        self._refused.write({"what": "refused", **line, **more}, sure=False)
        return True

    def _make_room(self) -> None:
        """Begin another file where one is full, with what no crowd of lines may push out of sight."""
        self._turned = self._acts.turn() or self._turned
        if not self._turned:
            return
        for start in self._starts.values():
            line = {"run": start.run, "playbook": start.playbook, "at_ms": start.began_ms, "acts": start.acts}
            self._acts.write({"what": "run", **line, **_counted(start)}, sure=False)
        for ask, run in self._served.items():
            self._acts.write({"what": "served", "ask": ask, "run": run}, sure=False)
        self._turned = False

    def _count(self, start: Start) -> None:
        known = self._starts.get(start.run)
        if known is not None:
            ask, by = (known.ask, known.by) if known.ask else (start.ask, start.by)
            opened = {**known.opened, **start.opened}
            start = replace(known, acts=known.acts + start.acts, ask=ask, by=by, opened=opened)
        self._starts[start.run] = start
        for ask in filter(None, (start.ask, *start.opened)):
            self._served[ask] = start.run
        _shrink(self._starts, STARTS_MAX)
        _shrink(self._served, SERVED_MAX)

    def _recall(self) -> tuple[str, ...]:
        """Count what was done before; name the steps of which nobody knows what became of them."""
        going: dict[Any, str] = {}
        for line in self._acts.each():
            key = line.get("id")
            match line.get("what"):
                case "intent":
                    going[key] = f"{line.get('playbook')}: {line.get('step')}"
                    if line.get("counts"):
                        self._count(_start(line))
                case "run":
                    self._starts.pop(str(line.get("run")), None)
                    self._count(_start(line))
                case "served":
                    self._served[str(line.get("ask"))] = str(line.get("run"))
                case _:
                    going.pop(key, None)
        for key in going:
            self._acts.write({"what": "unknown", "id": key}, sure=True)
        return tuple(going.values())


def _counted(start: Start) -> dict[str, Any]:
    """Return what is written of a run that counts, beside its name."""
    approval = {"ask": start.ask, "by": start.by} if start.ask else {}
    opened = {"opened": start.opened} if start.opened else {}
    return {"target": start.target, "counts": True, **approval, **opened}


def _start(line: dict[str, Any]) -> Start:
    return Start(
        str(line.get("run")),
        str(line.get("playbook")),
        tuple(map(str, line.get("target", ()))),
        int(line.get("at_ms", 0)),
        int(line.get("acts", 1)),
        str(line.get("ask", "")),
        tuple(map(str, line.get("by", ()))),
        {str(ask): tuple(map(str, by)) for ask, by in dict(line.get("opened", {})).items()},
    )


def _shrink(each: OrderedDict[str, Any], most: int) -> None:
    while len(each) > most:
        each.popitem(last=False)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def _texts(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for text in file:
                yield text.rstrip(b"\n")
    except FileNotFoundError:
        return
