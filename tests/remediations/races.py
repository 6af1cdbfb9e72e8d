"""Races against the broom: python -m tests.remediations.races --count 10000 [--naive].

Another process, with another user's rights where we are root, swaps names under the broom as fast as it can:
links for folders, exchanged folders and files, FIFOs, hard links, and the broom's own private folder. As root
a third one binds foreign folders over those that are cleaned. Each run cleans once; then every foreign file
must still have its name. The naive broom does what most scripts do, and shows that the attack bites.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from model.deed import FreeSpace, RemoveOld
from remediations.hand import Hand

FOLDERS, FILES = 3, 3
NOBODY = 65534
DAY_S = 86_400
AHEAD_S = 30 * DAY_S
EXCHANGE = 2
MS_DETACH = 2
MS_BIND = 4096

libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: str, other: str) -> None:
    """Swap two names at once (renameat2(2), RENAME_EXCHANGE)."""
    libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), EXCHANGE)


@dataclass
class Arena:
    """``root`` is cleaned and the attacker's own; ``foreign`` is root's, and its files lie at fixed paths.

    The files of ``shared`` are root's too, but the attacker may move them. They are too young to be cleaned
    wherever they lie, so only who mistakes them for another file takes them.
    """

    place: Path
    canaries: dict[Path, int] = field(default_factory=dict)

    def build(self) -> None:
        """Make every folder and file."""
        for name in ("root", "foreign", "shared"):
            (self.place / name).mkdir()
        for folder in range(FOLDERS):
            (self.place / "root" / f"d{folder}").mkdir()
            (self.place / "foreign" / f"d{folder}").mkdir()
            (self.place / "root" / f"link{folder}").symlink_to(self.place / "foreign" / f"d{folder}")
        if os.geteuid() == 0:
            for path in (self.place / "root", self.place / "shared", *(self.place / "root").iterdir()):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        self.replace()

    def replace(self) -> int:
        """Put new foreign files where some are lost, and return how many were."""
        lost = 0
        paths = [self.place / f"shared/c{n}" for n in range(FILES)]
        paths += [self.place / f"foreign/d{f}/f{n}" for f in range(FOLDERS) for n in range(FILES)]
        for path in paths:
            if path in self.canaries and self._stands(path):
                continue
            lost += path in self.canaries
            if path in self.canaries:
                os.close(self.canaries[path])
            with suppress(OSError):
                path.unlink()
            path.write_text("canary")
            at_s = time.time() + (10 * AHEAD_S if path.parent.name == "shared" else 0)
            os.utime(path, (at_s, at_s))
            self.canaries[path] = os.open(path, os.O_PATH | os.O_NOFOLLOW)
        return lost

    def _stands(self, path: Path) -> bool:
        """Tell whether a file has its name, wherever that is for a file that can be moved."""
        facts = os.fstat(self.canaries[path])
        if not facts.st_nlink or facts.st_size != len("canary"):
            return False
        if path.parent.name == "shared":
            return True
        with suppress(FileNotFoundError):
            return path.stat().st_ino == facts.st_ino
        return False


def attack(place: Path, seed: int) -> None:
    """Swap names for ever, as the user nobody where that can be."""
    os.chdir(place)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    chance = random.Random(seed)
    moves = [swap_folder, swap_folder, swap_file, swap_file, fifo, hard_link, replace_folder, take_bin]
    while True:
        folder, number = chance.randrange(FOLDERS), chance.randrange(FILES)
        with suppress(OSError):
            mend(folder)
        with suppress(OSError):
            chance.choice(moves)(folder, number)


def mend(folder: int) -> None:
    """Bring back what an earlier move left undone or the broom took: there is always something to clean."""
    here, link, away = f"root/d{folder}", f"root/link{folder}", f"root/away{folder}"
    if Path(here).is_symlink() and not Path(link).is_symlink():
        exchange(here, link)
    if os.path.lexists(away) and not os.path.lexists(here):
        Path(away).rename(here)
    for refilled in range(FILES):
        with suppress(FileExistsError):
            os.close(os.open(f"{here}/f{refilled}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))


def swap_folder(folder: int, _number: int) -> None:
    """Let a folder be a link to a foreign one for a moment, without a moment between."""
    for _ in range(20):
        exchange(f"root/d{folder}", f"root/link{folder}")


def swap_file(folder: int, number: int) -> None:
    """Let a foreign file have the name of an old one for a moment."""
    for _ in range(20):
        exchange(f"root/d{folder}/f{number}", f"shared/c{number}")


def fifo(folder: int, number: int) -> None:
    """Put a FIFO in the place of a file."""
    with suppress(OSError):
        os.mkfifo(f"root/fifo{number}")
    exchange(f"root/d{folder}/f{number}", f"root/fifo{number}")
    exchange(f"root/d{folder}/f{number}", f"root/fifo{number}")
    if stat.S_ISFIFO(os.lstat(f"root/fifo{number}").st_mode):  # where an exchange failed it is not ours
        Path(f"root/fifo{number}").unlink()


def hard_link(folder: int, number: int) -> None:
    """Give a file a second name, and take it back."""
    os.link(f"root/d{folder}/f{number}", f"root/second{number}")
    Path(f"root/second{number}").unlink()


def replace_folder(folder: int, _number: int) -> None:
    """Move a folder away, a link into its place, and back."""
    Path(f"root/d{folder}").rename(f"root/away{folder}")
    Path(f"root/d{folder}").symlink_to(f"{Path.cwd()}/foreign/d{folder}")
    if Path(f"root/d{folder}").is_symlink():
        Path(f"root/d{folder}").unlink()
    Path(f"root/away{folder}").rename(f"root/d{folder}")


def take_bin(_folder: int, number: int) -> None:
    """Take the broom's private folder away from it, now and then."""
    with suppress(OSError):
        Path("root/.beforehand-taken").rmdir()
    if number == 0:
        broom = 0 if os.getuid() == NOBODY else os.getuid()
        Path(f"root/.beforehand-{broom}").rename("root/.beforehand-taken")


def attack_by_mounts(place: Path, seed: int) -> None:
    """As root, bind foreign folders over those that are cleaned, and away again; in this mount namespace."""
    chance = random.Random(seed)
    while True:
        folder = chance.randrange(FOLDERS)
        inside, foreign = (os.fsencode(f"{place}/{name}/d{folder}") for name in ("root", "foreign"))
        if libc.mount(foreign, inside, None, MS_BIND, None) == 0:
            time.sleep(chance.random() / 2000)
        clear_mounts(place)
        time.sleep(chance.random() / 1000)


def clear_mounts(place: Path) -> None:
    """Unmount whatever is mounted below; the name may be another one by now, and then it is tried again."""
    for _ in range(100):
        table = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split()[4] for line in table]
        mine = [point for point in points if point.startswith(f"{place}/")]
        if not mine:
            return
        for point in reversed(mine):
            libc.umount2(os.fsencode(point), MS_DETACH)


def naive(root: Path) -> None:
    """Clean as most scripts do: by path, with a look before."""
    before_s = time.time() + AHEAD_S - DAY_S
    for folder, _, names in os.walk(root):
        for name in names:
            path = f"{folder}/{name}"
            with suppress(OSError):
                facts = os.lstat(path)
                old = max(facts.st_mtime, facts.st_ctime) < before_s
                if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1 and old:
                    Path(path).unlink()


def careful(hand: Hand, root: Path, spent: dict[str, int]) -> None:
    """Clean as the agent does."""
    result = hand.carry_out(FreeSpace(str(root), 1.0, (RemoveOld((str(root),)),)), lambda: "", "race")
    spent["removed"] += sum(line.startswith("- ") for line in result.diff.splitlines())
    spent["noticed"] += "changed while we looked" in result.output
    spent["displaced"] += "could not be put back" in result.output


def started(work: Callable[[Path, int], None], place: Path, seed: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work(place, seed)
        finally:
            os._exit(1)
    return pid


def race(count: int, seed: int, *, by_naive: bool, mounts: bool) -> int:
    """Clean so often under attack; print what came of it, and return how many runs lost a foreign file."""
    place = Path(tempfile.mkdtemp(prefix="races-"))
    place.chmod(0o755)
    arena, lost, spent = Arena(place), 0, {"removed": 0, "noticed": 0, "displaced": 0}
    arena.build()
    hand = Hand(time.monotonic, lambda: int((time.time() + AHEAD_S) * 1000), place / "keep")
    attackers, began_s = [], time.monotonic()
    try:
        attackers += [started(attack, place, seed)]
        attackers += [started(attack_by_mounts, place, seed)] if mounts else []
        for _ in range(count):
            if by_naive:
                naive(place / "root")
            else:
                careful(hand, place / "root", spent)
            lost += arena.replace() > 0
    finally:
        for pid in attackers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        if mounts:
            clear_mounts(place)
        hand.close()
        shutil.rmtree(place, ignore_errors=True)
    who = "naive" if by_naive else "careful"
    told = "" if by_naive else "".join(f"; {number} {what}" for what, number in spent.items())
    print(
        f"{who}: {lost} of {count} runs lost a foreign file, {len(attackers)} attackers,"
        f" {time.monotonic() - began_s:.1f} s{told}",
        flush=True,
    )
    return lost


def main() -> int:
    """Race in a mount namespace of our own where that can be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--naive", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if os.geteuid() == 0 and not asked.inside:
        inner = [sys.executable, "-m", "tests.remediations.races", *sys.argv[1:], "--inside"]
        outer = ["unshare", "--mount", "--propagation", "private", "--fork", "--kill-child"]
        if subprocess.run([*outer, "true"], check=False).returncode == 0:
            return subprocess.run([*outer, *inner], check=False).returncode
    return 1 if race(asked.count, asked.seed, by_naive=asked.naive, mounts=asked.inside) else 0


if __name__ == "__main__":
    sys.exit(main())
