"""Which folders may be cleaned at all, whatever a playbook says; pure.

A folder of old files is safe to clean where what it holds can be made again. What a host or a database
cannot live without is refused by name, and at the moment of acting by what was really opened.
"""

from __future__ import annotations

import re
from typing import Final

from remediations.deeds.folders import is_plain, shown

WHOLE: Final = (
    "/bin", "/boot", "/dev", "/efi", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/run", "/sbin",
    "/sys", "/usr",
)  # fmt: skip
"""Nothing in here is ever cleaned."""

ITSELF: Final = (
    "/", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/var", "/var/lib", "/var/mail", "/var/spool",
    "/var/www",
)  # fmt: skip
"""These are never cleaned themselves, though some folders in them may be."""

TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - these are looked into, nothing is put there
DISPOSABLE: Final = (*TEMPORARY, "/var/cache", "/var/crash", "/var/lib/systemd/coredump", "/var/log")
"""What is in here can be made again, or is a record whose age is the only question."""

_CACHES: Final = frozenset({".cache", "cache", "caches", "_cacache", ".ccache", "tmp", "coredump", "crash"})
_DATA: Final = re.compile(
    r"sql|postgres|pgdata|maria|mongo|redis|couch|cassandra|influx|elastic|opensearch|etcd|ldap|kafka|rabbitmq"
    r"|zookeeper|prometheus|docker|containerd|containers|libvirt|kubelet|rancher|dpkg|rpm|beforehand",
    re.IGNORECASE,
)
_SECRET: Final = frozenset({".ssh", ".gnupg", ".git", ".kube", ".aws"})


def objection(path: str) -> str:
    """Return why a folder is never cleaned, or the empty text."""
    if not is_plain(path):
        return f"{shown(path)!r} is not an absolute path that says what it means"
    parts = path.split("/")[1:]
    if path in ITSELF or _within(path, WHOLE):
        return f"{path} carries the host and is never cleaned"
    if _SECRET.intersection(parts):
        return f"{path} holds what cannot be made again"
    return "" if _within(path, DISPOSABLE) else _doubt(path, parts)


def _doubt(path: str, parts: list[str]) -> str:
    if any(_DATA.search(part) for part in parts):
        return f"{path} sounds like somebody's data and is never cleaned"
    if path.startswith("/var/lib/") and not _CACHES.intersection(parts):
        return f"{path} holds state and is never cleaned"
    return f"{path} is too near to the root of the host" if len(parts) < 2 else ""


def disposable(path: str) -> bool:
    """Tell whether a folder is known to hold only what can be made again."""
    return _within(path, DISPOSABLE) or bool(_CACHES.intersection(path.split("/")))


def _within(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)
