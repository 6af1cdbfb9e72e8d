"""A process that leaks files is restarted before its limit; one that leaks at once again is not."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from tests.e2e.faults.scene import QUICK_PROOF, Scene, acting, rule, shipped
from tests.e2e.faults.vain import BY_ITSELF, QUICKLY, left_to_people
from tests.e2e.installation import Tree
from tests.e2e.patience import until

ALERT: Final = "ProcessFilesNearLimit"
EXPR: Final = "beforehand_process_worst_fd_ratio * 100 > 90"
RUNS: Final = 'beforehand_process_count{group="leaky"} > 0'
"""What does not run leaks nothing, and is no better for it."""

# It may open 100 files, and has opened 95 by the time it has written its pid file, unless it is well.
LEAKS: Final = """
import os, resource, sys, time
pidfile, mended = sys.argv[1], "".join(sys.argv[2:])
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
leaked = [] if os.path.exists(mended) else [os.open("/dev/null", os.O_RDONLY) for _ in range(92)]
if mended:
    open(mended, "w").close()
with open(pidfile + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(pidfile + ".new", pidfile)
while True:
    time.sleep(60)
"""


@dataclass(frozen=True, slots=True)
class Leaky:
    """A program that leaks in its first life, and unless a restart has ``mended`` it, in all others."""

    folder: Path
    mended: bool

    @property
    def pidfile(self) -> Path:
        """Where it writes its process id."""
        return self.folder / "leaky.pid"

    @property
    def argv(self) -> tuple[str, ...]:
        """The command that starts it."""
        mark = (str(self.folder / "mended"),) if self.mended else ()
        return (sys.executable, str(self.folder / "leaky.py"), str(self.pidfile), *mark)

    def pid(self) -> int:
        """Return its process id, 0 while there is none."""
        with suppress(OSError, ValueError):
            return int(self.pidfile.read_text())
        return 0


@contextmanager
def living(leaky: Leaky) -> Iterator[int]:
    """Start it, and end whichever life of it is the last."""
    (leaky.folder / "leaky.py").write_text(LEAKS)
    with psutil.Popen(leaky.argv) as first:
        try:
            until(leaky.pid, 10, "it has leaked")
            yield first.pid
        finally:
            first.kill()
            with suppress(ProcessLookupError):
                os.kill(leaky.pid(), signal.SIGKILL)


def scene(folder: Path, leaky: Leaky, proof: Tree) -> Scene:
    """Let the shipped playbook restart this program, as it would a service of systemd."""
    restart: Tree = {
        "name": "leaky",
        "state": "restarted",
        "systemd": False,
        "start": list(leaky.argv),
        "detached": True,
        "pidfile": str(leaky.pidfile),
        "clean_stop_removes_pidfile": False,
    }
    playbook = shipped(
        "restart-leaking-process",
        on=[f'alertname="{ALERT}", group="leaky"'],
        guard=BY_ITSELF,
        steps=[{"service": restart}],
        verify={"expr": RUNS, **proof},
    )
    probe: Tree = {"process": {"group": "leaky", "pidfile": str(leaky.pidfile)}, "every": "1s"}
    return Scene(folder, (probe,), (playbook,), (rule(ALERT, EXPR),))


def test_a_process_that_leaks_files_is_restarted_and_has_room_again(tmp_path: Path) -> None:
    leaky = Leaky(tmp_path, mended=True)
    with living(leaky) as first, acting(scene(tmp_path, leaky, QUICK_PROOF)) as stage:
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        assert leaky.pid() not in (0, first)
        assert len(psutil.Process(leaky.pid()).open_files()) < 10
        assert psutil.Process(first).status() == psutil.STATUS_ZOMBIE  # ended, and this test is its parent


def test_one_that_leaks_at_once_again_is_restarted_twice_and_left_to_people(tmp_path: Path) -> None:
    leaky = Leaky(tmp_path, mended=False)
    with living(leaky), acting(scene(tmp_path, leaky, QUICKLY)) as stage:
        left_to_people(stage, ALERT, "ineffective")
