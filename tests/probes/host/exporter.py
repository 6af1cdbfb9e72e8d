"""Debian's node_exporter beside our probes: what it says of the same trees of files."""

from __future__ import annotations

import http.client
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from probes.exposition import parse
from tests.probes.targets import unused_port

PROGRAM = "prometheus-node-exporter"
READY_S = 20.0


def plant(folder: Path, files: Mapping[str, str]) -> Path:
    """Write these files under a folder; a text that begins with -> is a symbolic link, one of / a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith("->"):
            path.symlink_to(text.removeprefix("->"))
        elif text == "/":
            path.mkdir(exist_ok=True)
        else:
            path.write_text(text)
    return folder


@contextmanager
def exporter(*collectors: str, options: tuple[str, ...] = ()) -> Iterator[int]:
    """Run it with these collectors alone; yields the port."""
    port = unused_port()
    argv = [
        PROGRAM, "--collector.disable-defaults", "--web.disable-exporter-metrics", "--log.level=error",
        f"--web.listen-address=127.0.0.1:{port}", *(f"--collector.{name}" for name in collectors), *options,
    ]  # fmt: skip  # as one would type it
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + READY_S
        while fetched(port) is None:
            assert process.poll() is None, "node_exporter ended"
            assert time.monotonic() < until, "node_exporter does not answer"
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def fetched(port: int) -> bytes | None:
    """Return its metrics, or None while it does not answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read()
    except OSError:
        return None
    finally:
        connection.close()


def said(port: int) -> dict[str, float]:
    """Return the value of each of its series, without those about itself."""
    exposition = parse(fetched(port) or b"", "text")
    return {
        str(sample.labels): sample.value
        for sample in exposition.samples
        if not sample.labels.name.startswith(
            ("node_scrape_", "node_exporter_", "promhttp_", "go_", "process_")
        )
    }
