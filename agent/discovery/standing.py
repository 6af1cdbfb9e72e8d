"""What lies in a host's files: certificates, logs, crontabs, mounts, the kernel's log, the default route."""

from __future__ import annotations

import glob
import os
import re
import socket
import stat
import struct
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from agent.discovery import nginx_conf
from agent.discovery.finding import Certificates, Job, LogFile, Mount, StatusPage, Unseen
from agent.discovery.nginx_conf import Directive
from agent.discovery.programs import Processes
from agent.discovery.trees import Trees
from model.misfit import Misfit
from probes.host.filesystem import FSTYPES_EXCLUDED, MOUNTS_EXCLUDED
from probes.host.textfile import Options as TextfileOptions
from probes.job.schedule import Cron

CERTIFICATES: Final = (
    "/etc/letsencrypt/live/*/fullchain.pem",
    "/etc/nginx/ssl/*.pem",
    "/etc/nginx/ssl/*.crt",
    "/etc/nginx/certs/*.pem",
    "/etc/nginx/certs/*.crt",
    "/etc/apache2/ssl/*.crt",
    "/etc/apache2/ssl/*.pem",
    "/etc/httpd/ssl/*.crt",
    "/etc/haproxy/certs/*.pem",
    "/etc/haproxy/ssl/*.pem",
    "/etc/dovecot/*.pem",
    "/etc/postfix/*.pem",
    "/etc/pki/tls/private/*.pem",
    "/etc/ssl/private/*.pem",
)
LOGS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "nginx": (("nginx",), ("/var/log/nginx/error.log",)),
    "postgres": (("postgres",), ("/var/log/postgresql/*.log",)),
    "mysql": (
        ("mysqld", "mariadbd"),
        ("/var/log/mysql/error.log", "/var/log/mariadb/mariadb.log", "/var/log/mysqld.log"),
    ),
    "redis": (("redis-server",), ("/var/log/redis/redis-server.log", "/var/log/redis/redis.log")),
}
"""Where services write of their troubles, by the names of their programs."""

CRONTABS: Final = ("/etc/crontab", "/etc/cron.d/*")
JOBS_MAX: Final = 12
MOUNTS_MAX: Final = 24
JOURNALS: Final = ("/var/log/journal/*/system.journal", "/run/log/journal/*/system.journal")

_JOB: Final = re.compile(r"\s*(@[a-z]+|\S+(?:\s+\S+){4})\s+[a-z_][a-z0-9_-]*\s+(\S.*)")
_HEADS: Final = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN TRUSTED CERTIFICATE-----")
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_TEXTFILES: Final = re.compile(r"--collector\.textfile\.directory[= ](/\S+)")
_GATEWAY: Final = 0x2


def of_nginx(trees: Trees, processes: Processes | None) -> list[Directive]:
    """Return the configuration of the nginx that runs, of the first where there are several."""
    running = processes.named(("nginx",)) if processes else []
    commands = [processes.command(pid) for pid in running] if processes else []
    return nginx_conf.directives(trees, nginx_conf.main_file(commands[0])) if commands else []


def status_pages(found: list[Directive]) -> tuple[StatusPage, ...]:
    """Return the status pages of nginx, each once."""
    return tuple(StatusPage(url, file) for url, file in dict(nginx_conf.status_pages(found)).items())


def certificates(trees: Trees, nginx: list[Directive]) -> tuple[tuple[Certificates, ...], tuple[Unseen, ...]]:
    """Return the files with certificates in them that this user may read, and what it may not."""
    found: dict[str, Certificates] = {}
    unseen: list[Unseen] = []
    covered: set[str] = set()
    for pattern in CERTIFICATES:
        paths = trees.matching(pattern)
        kinds = {path: _is_certificate(trees, path) for path in paths}
        if paths and all(kinds.values()):
            found[pattern] = Certificates(pattern, len(paths))
        else:
            found |= {path: Certificates(path) for path, good in kinds.items() if good}
            unseen += (
                Unseen(path, "this user may not read it") for path, good in kinds.items() if good is None
            )
        covered |= set(paths)
        if not paths and (folder := _closed(trees, pattern)):
            unseen.append(Unseen(folder, "this user may not list it"))
    for path in dict.fromkeys(nginx_conf.values(nginx, "ssl_certificate")):
        if path not in covered and _is_certificate(trees, path):
            found[path] = Certificates(glob.escape(path))
    return tuple(found.values()), tuple(dict.fromkeys(unseen))


def _is_certificate(trees: Trees, path: str) -> bool | None:
    """Tell whether a file has a certificate in it; None where this user may not read it."""
    try:
        data = trees.read(path)
    except PermissionError:
        return None
    return data is not None and any(head in data for head in _HEADS)


def _closed(trees: Trees, pattern: str) -> str:
    """Return the folder of a pattern if this user may not list it."""
    folder = pattern.partition("*")[0].rstrip("/")
    here = trees.here(folder)
    try:
        there = Path(here).is_dir()
    except PermissionError:
        return folder
    return folder if there and not os.access(here, os.R_OK | os.X_OK, effective_ids=True) else ""


def logs(trees: Trees, processes: Processes | None) -> tuple[tuple[LogFile, ...], tuple[Unseen, ...]]:
    """Return the logs of services that run, by pattern, and those that this user may not read."""
    found: list[LogFile] = []
    unseen: list[Unseen] = []
    for service, (programs, patterns) in LOGS.items():
        for pattern in patterns if processes is None or processes.named(programs) else ():
            paths = [path for path in trees.matching(pattern) if _is_file(trees.here(path))]
            closed = [path for path in paths if not os.access(trees.here(path), os.R_OK, effective_ids=True)]
            if paths and not closed:
                found.append(LogFile(pattern, service))
            unseen += (Unseen(path, "this user may not read it") for path in closed)
    return tuple(found), tuple(unseen)


def _is_file(path: str) -> bool:
    """Tell whether it is a regular file and no link, for the probe follows none."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def jobs(trees: Trees) -> tuple[Job, ...]:
    """Return what the system's crontabs run, as far as its schedule can be read."""
    found: dict[str, Job] = {}
    for path in (path for pattern in CRONTABS for path in trees.matching(pattern)):
        for line in trees.text(path).splitlines():
            shape = _JOB.match(line)
            if shape is None or (schedule := _schedule(shape[1])) is None:
                continue
            name = _job_name(path, shape[2])
            found.setdefault(name, Job(name, schedule, path))
    return tuple(found.values())[:JOBS_MAX]


def _schedule(text: str) -> str | None:
    try:
        return Cron.parse(" ".join(text.split())).text
    except Misfit:
        return None


def _job_name(path: str, command: str) -> str:
    """Return a name for a job: that of its file, or of the program that a crontab of many names."""
    file = PurePosixPath(path).name
    word = file if file != "crontab" else PurePosixPath(command.rsplit(maxsplit=1)[-1]).name
    return re.sub(r"[^a-z0-9_-]+", "-", word.lower()).strip("-")[:64] or "job"


def mounts(trees: Trees) -> tuple[Mount, ...]:
    """Return the mounted filesystems that hold data of this host, by mount point."""
    found: dict[str, Mount] = {}
    for line in (_table(trees, "1/mounts") or _table(trees, "mounts")).split("\n"):
        columns = line.split(" ")
        if len(columns) < 4:
            continue
        point, fstype = _unescaped(columns[1]), columns[2]
        if not MOUNTS_EXCLUDED.search(point.encode(errors="replace")) and not FSTYPES_EXCLUDED.search(
            fstype.encode(errors="replace")
        ):
            found[point] = Mount(point, fstype)
    return tuple(found[point] for point in sorted(found))[:MOUNTS_MAX]


def _table(trees: Trees, name: str) -> str:
    try:
        return trees.procfs.text_if_any(name)
    except PermissionError:
        return ""


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda shape: chr(int(shape[1], 8)), text)


def kernel_log(trees: Trees) -> tuple[Literal["", "kmsg", "journal"], tuple[Unseen, ...]]:
    """Return by which probe this user may read the kernel's log."""
    try:
        os.close(os.open(trees.here("/dev/kmsg"), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError as wrong:
        why = (
            "it needs CAP_SYSLOG"
            if isinstance(wrong, PermissionError)
            else wrong.strerror or "it is not there"
        )
    else:
        return "kmsg", ()
    journals = [path for pattern in JOURNALS for path in trees.matching(pattern)]
    if os.access(trees.here("/usr/bin/journalctl"), os.X_OK, effective_ids=True) and any(
        os.access(trees.here(path), os.R_OK, effective_ids=True) for path in journals
    ):
        return "journal", ()
    return "", (Unseen("the kernel's log", f"/dev/kmsg: {why}; and no journal that this user may read"),)


def textfiles(processes: Processes | None) -> tuple[str, ...]:
    """Return where a node_exporter that runs here reads metrics that others leave, if not where all do."""
    running = processes.named(("node_exporter", "prometheus-node")) if processes else []
    usual = {str(tree.path) for tree in TextfileOptions().directories}
    named = (shape for pid in running if processes for shape in _TEXTFILES.findall(processes.command(pid)))
    return tuple(dict.fromkeys(path for path in named if path.rstrip("/") not in usual))


def gateway(trees: Trees) -> str:
    """Return the address of the default route of IPv4, or nothing (proc_net_route of the kernel)."""
    for line in trees.procfs.text_if_any("net/route").splitlines()[1:]:
        columns = line.split()
        if len(columns) >= 8 and columns[1] == columns[7] == "00000000" and int(columns[3], 16) & _GATEWAY:
            return socket.inet_ntoa(struct.pack("=I", int(columns[2], 16)))
    return ""
