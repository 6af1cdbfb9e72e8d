"""The faults: how each is made, what should come of it, and which actions it needs at most."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.faults.subject import Subject

DPKG_LOCK: Final = Path("/var/lib/dpkg/lock-frontend")
FILL_S: Final = 30.0
REFUSED_MIN: Final = 20
FILL_PIECE: Final = b"x" * (64 << 10)
POISON_S: Final = 0.3

Stop = Callable[[], object]
Broken = Callable[[Subject, Stop], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault.

    ``healed`` tells whether the trouble is over; None where nobody should act, and then the keeper is right
    to leave it. ``needed`` are the actions that it takes, once each; any other is needless, and does harm
    where it is among ``harmful``. ``watch_s`` is how long it is watched at most.
    """

    name: str
    subject: str
    broken: Broken
    healed: Callable[[Subject], bool] | None
    needed: frozenset[str]
    harmful: frozenset[str] = frozenset()
    watch_s: float = 15.0


@contextlib.contextmanager
def _killed(one: Subject, _stop: Stop) -> Iterator[None]:
    one.signal(signal.SIGKILL)
    yield


@contextlib.contextmanager
def _hung(one: Subject, _stop: Stop) -> Iterator[None]:
    one.signal(signal.SIGSTOP)
    yield


@contextlib.contextmanager
def _config_broken(one: Subject, _stop: Stop) -> Iterator[None]:
    (one.folder / "nginx.conf").write_text("this is no configuration\n")
    one.signal(signal.SIGKILL)
    yield


@contextlib.contextmanager
def _human(_one: Subject, stop: Stop) -> Iterator[None]:
    stop()
    yield


@contextlib.contextmanager
def _upgrade(_one: Subject, stop: Stop) -> Iterator[None]:
    """Stop it while dpkg's lock is held; the lock lies in a folder that only the bench and keepers see."""
    with DPKG_LOCK.open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        stop()
        yield


@contextlib.contextmanager
def _answers_500(one: Subject, _stop: Stop) -> Iterator[None]:
    """Have nginx run with what is wrong while its file is right again: a restart helps."""
    good = (one.folder / "nginx.conf").read_text()
    one.configure("return 500;")
    one.reload()
    (one.folder / "nginx.conf").write_text(good)
    yield


@contextlib.contextmanager
def _disk_full(one: Subject, _stop: Stop) -> Iterator[None]:
    with (one.logs / "flood").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(FILL_PIECE)
    yield


@contextlib.contextmanager
def _expired(one: Subject, _stop: Stop) -> Iterator[None]:
    (one.folder / "shown.pem").write_bytes((one.folder / "expired.pem").read_bytes())
    one.reload()
    yield


@contextlib.contextmanager
def _poisoned(one: Subject, _stop: Stop) -> Iterator[None]:
    """Kill it again a moment after each start, as something in its data would."""
    ended = threading.Event()

    def poison() -> None:
        one.signal(signal.SIGKILL)
        while not ended.wait(0.05):
            if one.answers():
                ended.wait(POISON_S)
                one.signal(signal.SIGKILL)

    thread = threading.Thread(target=poison)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def _upstream_down(one: Subject, _stop: Stop) -> Iterator[None]:
    one.upstream.stop()
    try:
        yield
    finally:
        one.upstream.start()


@contextlib.contextmanager
def _memory_full(one: Subject, _stop: Stop) -> Iterator[None]:
    """Fill it with what is large, then with what is small, until it takes nothing at all."""
    end_s = time.monotonic() + FILL_S
    for name, value in (("large", "x" * 3000), ("small", "x")):
        number, refused = 0, 0
        while refused < REFUSED_MIN:
            refused = refused + 1 if one.ask(f"SET {name}:{number} {value}").startswith("-OOM") else 0
            number += 1
            assert time.monotonic() < end_s, "redis never ran out of memory"
    yield


KINDS: Final = (
    Kind("killed", "nginx", _killed, Subject.answers, frozenset({"start"})),
    Kind("hung", "nginx", _hung, Subject.answers, frozenset({"start"})),
    Kind("config broken, then killed", "nginx", _config_broken, None, frozenset(), watch_s=12),
    Kind("stopped by a human", "nginx", _human, None, frozenset(), frozenset({"start"}), 8),
    Kind("stopped for an upgrade", "nginx", _upgrade, None, frozenset(), frozenset({"start"}), 8),
    Kind("answers 500", "nginx", _answers_500, Subject.answers, frozenset({"start"})),
    Kind(
        "log disk full", "nginx", _disk_full, Subject.logs_again, frozenset({"clean"}), frozenset({"start"})
    ),
    Kind(
        "certificate expired",
        "nginx",
        _expired,
        Subject.shows_fresh,
        frozenset({"renew"}),
        frozenset({"start"}),
    ),
    Kind("dies after each start", "nginx", _poisoned, None, frozenset({"start"}), watch_s=15),
    Kind("its upstream is down", "nginx", _upstream_down, None, frozenset(), frozenset({"start"}), 10),
    Kind(
        "redis out of memory",
        "redis",
        _memory_full,
        Subject.answers,
        frozenset({"relieve"}),
        frozenset({"start"}),
    ),
)
