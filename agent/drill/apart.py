"""A mount that nobody else sees: in a mount namespace of this process's own (mount_namespaces(7)).

The host's own agent never sees it fill, and the kernel takes it away with the last process in it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

SIZE_BYTES: Final = 16 << 20
PROGRAM_S: Final = 20.0
OLD: Final = "20200101000000"

_CLONE_NEWNS: Final = 0x00020000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 1 << 18
_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"


class NoMount(Exception):
    """No filesystem can be mounted here; the text says why."""


def leave() -> None:
    """Give this process and what it starts from now on mounts of their own; raises ``NoMount``."""
    libc = ctypes.CDLL(None, use_errno=True)
    alone = libc.unshare(_CLONE_NEWNS) == 0
    if not alone or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        raise NoMount(f"no private mounts: {os.strerror(ctypes.get_errno())}")


def mount_file(image: Path, content: Path, where: Path) -> None:
    """Make a filesystem of 16 MiB in a new file and mount it, after ``leave``; raises ``NoMount``.

    All files of the folder ``content`` are in it, last changed in the year 2020: a cleaner believes only the
    time of the last change, which nobody can set on a filesystem that is mounted (inode(7), ctime).
    """
    with image.open("xb") as file:
        file.truncate(SIZE_BYTES)
    _run("mkfs.ext4", "-q", "-m", "0", "-F", "-d", str(content), str(image))
    orders = image.with_suffix(".orders")
    names = [path.relative_to(content) for path in content.rglob("*") if path.is_file()]
    orders.write_text(
        "".join(f"sif /{name} {field} {OLD}\n" for name in names for field in ("ctime", "mtime", "atime"))
    )
    _run("debugfs", "-w", "-f", str(orders), str(image))
    _run("mount", "-o", "loop,nosuid,nodev,noexec", str(image), str(where))


def unmount(where: Path) -> None:
    """Take the mount away again; the loop device goes with it."""
    _run("umount", str(where))


def _run(name: str, *words: str) -> None:
    program = shutil.which(name, path=_PATH)
    if program is None:
        raise NoMount(f"{name} is not installed")
    try:
        subprocess.run([program, *words], capture_output=True, timeout=PROGRAM_S, check=True)
    except subprocess.CalledProcessError as wrong:
        raise NoMount(f"{name}: {wrong.stderr.decode(errors='replace').strip()[:200]}") from None
    except (OSError, subprocess.TimeoutExpired) as wrong:
        raise NoMount(f"{name}: {wrong}") from None
