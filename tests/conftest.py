"""What every test gets: no network beyond this machine, no thread left behind, no silent skip."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest

# Tools installed beside this Python are found, and sbin, which an ordinary user's PATH lacks.
SEARCH_PATH: Final = os.pathsep.join(
    (
        str(Path(sys.executable).parent),
        os.environ.get("PATH", os.defpath),
        "/usr/local/sbin",
        "/usr/sbin",
        "/sbin",
    )
)
THREAD_GRACE_S: Final = 3.0
_UNSEEN: Final = "needs "

# How long an example takes is no finding on a machine that others use as well.
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


class BeyondThisMachine(RuntimeError):
    """A test tried to reach another machine; not an OSError, so that no code under test swallows it."""


def is_local(host: str) -> bool:
    """Say whether an address, or the name localhost, is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def is_name(host: str) -> bool:
    """Say whether a host is a name, which only a resolver could answer, and not an address."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return False


def guard(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what would leave this machine; names other than localhost are unknown, as without a resolver."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        end, address = arguments
        if end.family not in (socket.AF_INET, socket.AF_INET6) or address is None:
            return
        host = address[0].decode() if isinstance(address[0], bytes) else address[0]
        if not is_local(host):
            raise BeyondThisMachine(f"{event} to {address}; tests talk to this machine only")
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else arguments[0]
        if host and not is_local(host) and is_name(host):
            raise socket.gaierror(socket.EAI_NONAME, f"{host} is unknown; tests have no resolver")
    elif event == "socket.gethostbyaddr" and not is_local(arguments[0]):
        raise socket.herror(1, f"{arguments[0]} is unknown; tests have no resolver")


ROOT: Final = "root"


def installed(program: str) -> bool:
    """Say whether a program of the system's packages is here, or, of root, whether the tests run as it."""
    if program == ROOT:
        return os.geteuid() == 0
    return shutil.which(program, path=SEARCH_PATH) is not None


def pytest_configure() -> None:
    os.environ["PATH"] = SEARCH_PATH
    sys.addaudithook(guard)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for program in marker.args:
            if not installed(program):
                pytest.skip(f"{_UNSEEN}{program}")


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    """Every thread that a test starts has ended when the test has."""
    before = set(threading.enumerate())
    yield
    until = time.monotonic() + THREAD_GRACE_S
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, until - time.monotonic()))
        assert not thread.is_alive(), f"the thread {thread.name!r} outlived its test"


def left_out(reasons: list[str]) -> list[str]:
    """Return one line for each reason to skip, the programs that are missing first."""
    lines = []
    for reason, count in sorted(
        Counter(reasons).items(), key=lambda pair: (not pair[0].startswith(_UNSEEN), pair)
    ):
        tests = "1 test" if count == 1 else f"{count} tests"
        program = reason.removeprefix(_UNSEEN)
        missing = "only root may do what they do" if program == ROOT else f"{program} is not installed"
        cause = reason if program == reason else missing
        lines.append(f"left out: {tests}, because {cause}")
    return lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reasons = [
        str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr).removeprefix(
            "Skipped: "
        )
        for report in terminalreporter.stats.get("skipped", ())
    ]
    for line in left_out(reasons):
        terminalreporter.write_line(line, yellow=True)
    if terminalreporter.stats.get("failed") or terminalreporter.stats.get("error"):
        seed = config.getoption("randomly_seed", default=None)
        terminalreporter.write_line(
            f"the order and the random values of this run: -p randomly --randomly-seed={seed}"
        )
