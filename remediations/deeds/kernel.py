"""Set parameters of the kernel within bounds, and give them their earlier values back.

See proc_sys(5) and Documentation/admin-guide/sysctl of the kernel. The value before the first change of a run
is kept in a file of ours until it is given back.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from model.deed import RestoreKernel, SetKernel
from model.step import Exec, Result
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused

ROOT: Final = Path("/proc/sys")
BOUNDS: Final = {
    "fs.aio-max-nr": (65_536, 8_388_608),
    "fs.file-max": (65_536, 67_108_864),
    "fs.inotify.max_user_instances": (128, 65_536),
    "fs.inotify.max_user_watches": (8_192, 4_194_304),
    "fs.nr_open": (65_536, 16_777_216),
    "kernel.pid_max": (32_768, 4_194_304),
    "kernel.threads-max": (4_096, 4_194_304),
    "net.core.netdev_max_backlog": (1_000, 300_000),
    "net.core.rmem_max": (212_992, 268_435_456),
    "net.core.somaxconn": (128, 65_535),
    "net.core.wmem_max": (212_992, 268_435_456),
    "net.ipv4.neigh.default.gc_thresh3": (1_024, 1_048_576),
    "net.ipv4.tcp_fin_timeout": (15, 60),
    "net.ipv4.tcp_max_orphans": (4_096, 4_194_304),
    "net.ipv4.tcp_max_syn_backlog": (128, 262_144),
    "net.ipv4.tcp_max_tw_buckets": (4_096, 4_194_304),
    "net.ipv4.tcp_tw_reuse": (0, 2),
    "net.netfilter.nf_conntrack_max": (16_384, 8_388_608),
    "vm.dirty_background_ratio": (1, 50),
    "vm.dirty_ratio": (5, 80),
    "vm.max_map_count": (65_530, 2_147_483_647),
    "vm.min_free_kbytes": (16_384, 4_194_304),
    "vm.overcommit_memory": (0, 2),
    "vm.swappiness": (0, 200),
    "vm.vfs_cache_pressure": (1, 1_000),
}
"""What may be set, from the least to the most."""

_VALUE_BYTES_MAX: Final = 64
_PLAIN: Final = re.compile(r"[A-Za-z0-9-]{1,128}")


def do(step: SetKernel, doing: Doing) -> Result:
    """Write a value down and then set another, if it is within its bounds."""
    try:
        _judge(step)
        before = _value(step.key)
        if before == step.value:
            return Result(ok=True, output=f"{step.key} is {before} already")
        if doing.check:
            return Result(ok=True, diff=f"would set {step.key} from {before} to {step.value}")
        _keep(doing, step.key, before)
        if step.revert_after_s:
            _revert_later(step, before, doing)
        _write(step.key, step.value)
    except Refused as refused:
        return Result(ok=False, reason=str(refused))
    except OSError as wrong:
        return Result(ok=False, reason=f"{step.key} cannot be set: {wrong.strerror}")
    told = f"{step.key} went from {before} to {_value(step.key)}"
    return Result(ok=True, output=told, changed=True, diff=told)


def restore(step: RestoreKernel, doing: Doing) -> Result:
    """Give the value back that the run found, if it changed it."""
    try:
        kept = _kept(doing, step.key)
        before = int(kept.read_text())
    except Refused as refused:
        return Result(ok=False, reason=str(refused))
    except (FileNotFoundError, ValueError):
        return Result(ok=True, output=f"{step.key} was not changed by this run")
    try:
        now = _value(step.key)
        if doing.check:
            return Result(ok=True, diff=f"would set {step.key} from {now} to {before}")
        _write(step.key, before)
        kept.unlink(missing_ok=True)
    except Refused as refused:
        return Result(ok=False, reason=str(refused))
    except OSError as wrong:
        return Result(ok=False, reason=f"{step.key} cannot be set: {wrong.strerror}")
    told = f"{step.key} went from {now} back to {before}"
    return Result(ok=True, output=told, changed=now != before, diff=told)


def _judge(step: SetKernel) -> None:
    low, high = BOUNDS.get(step.key, (1, 0))
    if not low <= step.value <= high:
        raise Refused(f"{step.key} is not set to {step.value}: what may be set has bounds")


def _revert_later(step: SetKernel, before: int, doing: Doing) -> None:
    """Have systemd set it back, so that this happens whatever becomes of us; without that nothing is set."""
    later = ("systemd-run", "--quiet", "--collect", f"--on-active={step.revert_after_s}s")
    timer = doing.exec(Exec((*later, "sysctl", "-q", "-w", f"{step.key}={before}"), timeout_s=15))
    if not timer.ok:
        raise Refused(f"{step.key} was not set, because nothing would set it back: {timer.reason}")


def _path(key: str) -> Path:
    if key not in BOUNDS:
        raise Refused(f"{key} is not among what may be set")
    return ROOT / key.replace(".", "/")


def _value(key: str) -> int:
    try:
        with _path(key).open("rb") as file:
            return int(file.read(_VALUE_BYTES_MAX))
    except FileNotFoundError:
        raise Refused(f"this kernel has no {key}") from None
    except ValueError:
        raise Refused(f"{key} is no number here") from None


def _write(key: str, value: int) -> None:
    fd = os.open(_path(key), os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def _kept(doing: Doing, key: str) -> Path:
    if not _PLAIN.fullmatch(doing.run):
        raise Refused("a value is changed within a run only")
    return doing.keep / f"kernel.{doing.run}.{key}"


def _keep(doing: Doing, key: str, before: int) -> None:
    """Write the value down, unless an earlier attempt of the run did: that one was the host's own.

    What earlier runs kept is let go: no two work on one parameter, and they are over.
    """
    mine = _kept(doing, key)
    doing.keep.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in doing.keep.glob(f"kernel.*.{key}"):
        if other != mine:
            other.unlink(missing_ok=True)
    try:
        fd = os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    try:
        os.write(fd, str(before).encode())
        os.fsync(fd)
    finally:
        os.close(fd)
