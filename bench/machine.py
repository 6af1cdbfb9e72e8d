"""What the figures were taken on and with."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from bench import monit
from tests.e2e.servers import program


def line() -> str:
    """Return the machine in one line, with how busy it was."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} cores, {_memory_gb()} GB, Linux {platform.release()}, load {load}"
    )


def versions() -> dict[str, str]:
    """Return the version of everything that was measured."""
    redis = program("redis-server")
    assert redis, "redis-server is not installed"
    said = subprocess.run([redis, "--version"], capture_output=True, text=True, timeout=10, check=True)
    return {
        "Python": platform.python_version(),
        "Monit": monit.version(),
        "redis": next(word[2:] for word in said.stdout.split() if word.startswith("v=")),
    }


def _processor() -> str:
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            return text.partition(":")[2].strip()
    return platform.machine()


def _memory_gb() -> int:
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9)
