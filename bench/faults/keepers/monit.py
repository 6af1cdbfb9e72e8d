"""Monit at its fastest cycle, with a test for each thing that can go wrong and the same actions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.faults.keepers import Keeper, Kept
from bench.faults.subject import Subject
from tests.e2e.patience import until
from tests.e2e.ports import LOOPBACK
from tests.e2e.servers import program

_HEAD: Final = """
set daemon 1
set pidfile {folder}/monit.pid
set statefile {folder}/monit.state
set idfile {folder}/monit.id
set logfile {folder}/monit.log
"""
_PROCESS: Final = """
check process kept with pidfile {pidfile}
  start program = "{do} start" with timeout 5 seconds
  stop program = "{do} stop" with timeout 5 seconds
  if 5 restarts within 10 cycles then unmonitor
"""
_NGINX: Final = """
  if failed host {host} port {port} protocol http request "/" status = 200 with timeout 1 seconds
    for 2 cycles then restart
check program shown with path "{openssl} x509 -checkend 86400 -noout -in {folder}/shown.pem"
  if status != 0 then exec "{do} renew"
check filesystem logs with path {logs}
  if space usage > 90% then exec "{do} clean"
check host upstream with address {host}
  if failed port {upstream} with timeout 1 seconds then alert
"""
_REDIS: Final = """
  if failed host {host} port {port} protocol redis with timeout 1 seconds for 2 cycles then restart
check program writes with path "{cli} -e -p {port} set monit writes"
  if status != 0 then exec "{do} relieve"
"""


def config_of(one: Subject) -> Path:
    """Write Monit's configuration for a subject; return its file."""
    words = {
        "folder": one.folder, "pidfile": one.pidfile, "do": one.do, "host": LOOPBACK, "port": one.port.number,
        "upstream": one.upstream.port.number, "logs": one.logs,
        "cli": program("redis-cli"), "openssl": program("openssl"),
    }  # fmt: skip
    config = one.folder / "monitrc"
    config.write_text((_HEAD + _PROCESS + (_NGINX if one.name == "nginx" else _REDIS)).format(**words))
    config.chmod(0o600)
    return config


@contextmanager
def keeping(one: Subject) -> Iterator[Kept]:
    """Start the subject and a Monit."""
    config, log = config_of(one), one.folder / "monit.log"
    one.act("start")
    monit = program("monit")
    assert monit, "monit is not installed"
    argv = [monit, "-I", "-c", str(config)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: log.exists() and "started" in log.read_text(), 10, "Monit runs")
        yield Kept(lambda: one.nginx("-s", "quit"), log.read_text)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


MONIT: Final = Keeper("Monit", keeping)
