"""What the kernel counts for one container: the files of its control group, of version 2 or 1 (cgroups(7)).

https://docs.kernel.org/admin-guide/cgroup-v2.html and ../cgroup-v1/. A value that a kernel does not count is
None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE_BYTES_MAX: Final = 65536
_TICKS_NS: Final = 1e9
_UNLIMITED_FROM: Final = 1 << 60
"""Version 1 says "no limit" by a number near 2^63, rounded to pages."""
_LINE: Final = re.compile(r"[0-9]{1,4}:([^:]{0,200}):(/.{0,4000})")
_PAIR: Final = re.compile(r"^([a-z_]{1,40}) ([0-9]{1,20})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a group used, and may use; ``memory_limit_bytes`` 0 is no limit."""

    cpu_s: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_s: float | None = None
    memory_bytes: int | None = None
    working_set_bytes: int | None = None
    rss_bytes: int | None = None
    cache_bytes: int | None = None
    memory_limit_bytes: int | None = None
    oom_kills: int | None = None


def paths(text: str, container: str) -> dict[str, str]:
    """Return the path of the container's group by controller, from the text of /proc/PID/cgroup.

    Version 2 stands under the empty name. A path in which the container's id does not stand is left out: the
    process may be another one by now. Groups that the container made below its own are left away.
    """
    found: dict[str, str] = {}
    for line in text.split("\n"):
        shape = _LINE.fullmatch(line)
        parts = shape[2].split("/") if shape else []
        own = next((at for at, part in enumerate(parts) if container in part), 0)
        if shape and own and ".." not in parts:
            for controller in shape[1].split(","):
                found[controller] = "/".join(parts[: own + 1])
    return found


def read(pid: int, container: str, procfs: Path, cgroups: Path) -> Usage:
    """Return what the container of this main process uses; all None where its group is not to be seen."""
    text = _text(procfs / str(pid) / "cgroup")
    places = paths(text or "", container)
    unified = cgroups / places.get("", "").lstrip("/")
    if places.get("") and (unified / "memory.current").exists():
        return _version_2(unified)
    memory, cpu, account = (
        cgroups / name / places[name].lstrip("/") if name in places else None
        for name in ("memory", "cpu", "cpuacct")
    )
    return _version_1(memory, cpu, account)


def _version_2(group: Path) -> Usage:
    cpu, memory = _pairs(group / "cpu.stat"), _pairs(group / "memory.stat")
    used = _number(group / "memory.current")
    return Usage(
        cpu_s=_scaled(cpu.get("usage_usec"), 1e-6),
        periods=cpu.get("nr_periods"),
        throttled_periods=cpu.get("nr_throttled"),
        throttled_s=_scaled(cpu.get("throttled_usec"), 1e-6),
        memory_bytes=used,
        working_set_bytes=_less(used, memory.get("inactive_file")),
        rss_bytes=memory.get("anon"),
        cache_bytes=memory.get("file"),
        memory_limit_bytes=_limit(_text(group / "memory.max")),
        oom_kills=_pairs(group / "memory.events").get("oom_kill"),
    )


def _version_1(memory: Path | None, cpu: Path | None, account: Path | None) -> Usage:
    stat, limits = _pairs(memory and memory / "memory.stat"), _pairs(cpu and cpu / "cpu.stat")
    used = _number(memory and memory / "memory.usage_in_bytes")
    return Usage(
        cpu_s=_scaled(_number(account and account / "cpuacct.usage"), 1 / _TICKS_NS),
        periods=limits.get("nr_periods"),
        throttled_periods=limits.get("nr_throttled"),
        throttled_s=_scaled(limits.get("throttled_time"), 1 / _TICKS_NS),
        memory_bytes=used,
        working_set_bytes=_less(used, stat.get("total_inactive_file")),
        rss_bytes=stat.get("total_rss"),
        cache_bytes=stat.get("total_cache"),
        memory_limit_bytes=_limit(_text(memory and memory / "memory.limit_in_bytes")),
        oom_kills=_pairs(memory and memory / "memory.oom_control").get("oom_kill"),
    )


def _text(path: Path | None) -> str | None:
    """Return a file of the kernel's, or None where there is none, or none any more."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return file.read(FILE_BYTES_MAX).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return None
    except OSError as wrong:
        if wrong.errno == _GONE:
            return None
        raise


_GONE: Final = 19  # ENODEV: the group was removed while its file was open


def _pairs(path: Path | None) -> Mapping[str, int]:
    return {name: int(number) for name, number in _PAIR.findall(_text(path) or "")}


def _number(path: Path | None) -> int | None:
    text = (_text(path) or "").strip()
    return int(text) if text.isdecimal() and text.isascii() else None


def _limit(text: str | None) -> int | None:
    if text is None:
        return None
    word = text.strip()
    if not word.isdecimal() or not word.isascii():
        return 0  # "max"
    return int(word) if int(word) < _UNLIMITED_FROM else 0


def _scaled(number: int | None, factor: float) -> float | None:
    return None if number is None else number * factor


def _less(number: int | None, part: int | None) -> int | None:
    return None if number is None else max(0, number - (part or 0))
