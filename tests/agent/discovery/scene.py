"""A host as a test wants it seen: its own processes and sockets of the real ones, and a root of its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from agent.discovery.trees import Trees
from probes.host.roots import Tree

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def family(pids: Iterable[int]) -> set[int]:
    """Return these processes with all below them."""
    found = set(pids)
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int(
                    folder.joinpath("stat").read_text().rpartition(")")[2].split()[1]
                )
            except (FileNotFoundError, ProcessLookupError):
                continue
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def rooted(folder: Path) -> Path:
    """Return a root directory with what the test put there, and the way to its own files."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    top = Path("/") / folder.resolve().parts[1]
    for name in (top, Path("/dev")):
        link = root / name.name
        if not link.exists():
            link.symlink_to(name)
    return root


def seen(folder: Path, pids: Iterable[int], ports: Iterable[int] = ()) -> Trees:
    """Return the trees of a host on which nothing runs but these processes, seen as they are now.

    Where ``ports`` are given, their rows stand in the tables also if none of the processes holds them.
    """
    procfs = folder / f"proc-{len(list(folder.iterdir()))}"
    (procfs / "net").mkdir(parents=True)
    kept = family(pids)
    for pid in kept | {1}:
        (procfs / str(pid)).symlink_to(f"/proc/{pid}")
    inodes = {inode for pid in kept for inode in _sockets(pid)}
    endings = tuple(f":{port:04X}" for port in ports)
    for name in ("tcp", "tcp6", "unix"):
        table = Path("/proc/net", name)
        lines = table.read_text().splitlines(keepends=True) if table.exists() else [HEAD]
        column = 6 if name == "unix" else 9
        rows = [
            line
            for line in lines[1:]
            if int(line.split()[column]) in inodes or line.split()[1].endswith(endings)
        ]
        (procfs / "net" / name).write_text(lines[0] + "".join(rows))
    return Trees(Tree(procfs), Tree(rooted(folder)))


def _sockets(pid: int) -> list[int]:
    try:
        links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []
    return [int(link[8:-1]) for link in links if link.startswith("socket:[")]
