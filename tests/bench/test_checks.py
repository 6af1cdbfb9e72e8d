"""The measurement of checks, in miniature: each system understands what it is told, and is seen to do it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.checks import target
from bench.checks.beforehand import BEFOREHAND
from bench.checks.cost import Figures, Kind, measure
from bench.checks.icinga import ICINGA
from bench.checks.monit import MONIT
from bench.checks.nagios import NAGIOS
from bench.checks.plan import Plan, System, running
from bench.checks.prometheus import PROMETHEUS
from bench.checks.report import Costs, table
from bench.checks.target import Target
from tests.e2e.patience import until
from tests.e2e.servers import program


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Target]:
    with target.running(tmp_path / "nginx", None) as one:
        yield one


def plan(folder: Path, nginx: Target, kind: Kind = "http") -> Plan:
    return Plan(folder / kind, nginx, kind, 3, 1)


@pytest.mark.needs("nginx")
def test_what_is_asked_of_nginx_is_counted_without_the_questions_for_it(nginx: Target) -> None:
    before = nginx.seen()
    assert nginx.seen() == before


@pytest.mark.needs("nginx")
@pytest.mark.parametrize("kind", ["http", "tcp"])
@pytest.mark.parametrize("system", [BEFOREHAND, pytest.param(MONIT, marks=pytest.mark.needs("monit"))])
def test_a_system_that_checks_is_seen_and_measured(
    nginx: Target, tmp_path: Path, system: System, kind: Kind
) -> None:
    before = nginx.seen()
    with running(system, plan(tmp_path, nginx, kind), None) as pids:
        until(lambda: nginx.seen().connections >= before.connections + 3, 20, f"{system.name} checks")
        figures = measure(pids, nginx, kind, 3.0, 2.2)
    assert figures.checks > 0
    assert figures.pss_mb > 1
    assert figures.cpu_s < 2


@pytest.mark.needs("nginx")
@pytest.mark.needs("icinga2")
@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_icinga_understands_what_it_is_told(nginx: Target, tmp_path: Path, kind: Kind) -> None:
    one = plan(tmp_path, nginx, kind)
    one.folder.mkdir()
    (command,) = ICINGA.commands(one)
    judged = subprocess.run([*command.argv, "-C"], capture_output=True, env=command.environment, check=False)
    assert judged.returncode == 0, judged.stdout.decode()


@pytest.mark.needs("nginx")
@pytest.mark.needs("nagios4")
@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_nagios_understands_what_it_is_told(nginx: Target, tmp_path: Path, kind: Kind) -> None:
    one = plan(tmp_path, nginx, kind)
    one.folder.mkdir()
    (command,) = NAGIOS.commands(one)
    name, *rest = command.argv
    judged = subprocess.run([name, "-v", *rest], capture_output=True, check=False)
    assert judged.returncode == 0, judged.stdout.decode()


@pytest.mark.needs("nginx")
@pytest.mark.needs("prometheus")
@pytest.mark.needs("prometheus-blackbox-exporter")
@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_prometheus_understands_what_it_is_told(nginx: Target, tmp_path: Path, kind: Kind) -> None:
    one = plan(tmp_path, nginx, kind)
    one.folder.mkdir()
    blackbox, _ = PROMETHEUS.commands(one)
    promtool = program("promtool")
    assert promtool
    for argv in (
        [promtool, "check", "config", str(one.folder / "prometheus.yml")],
        [*blackbox.argv, "--config.check"],
    ):
        judged = subprocess.run(argv, capture_output=True, check=False)
        assert judged.returncode == 0, judged.stdout.decode() + judged.stderr.decode()


def figures(checks: int, cpu_s: float, due: float = 1000) -> Figures:
    return Figures(checks, due, 10.0, cpu_s, 50.0, 60.0)


def test_the_table_compares_everybody_with_the_first() -> None:
    ours = Costs("ours", {("http", 500): figures(1000, 0.1)}, {"http": figures(20_000, 2, 20_000)})
    theirs = Costs("theirs", {("http", 500): figures(500, 0.1)}, {"http": figures(5000, 2, 9000)})
    said = table([ours, theirs], "one core")
    assert "0.100 ms, 50 MB" in said
    assert "0.200 ms (2.00), 50 MB, 50/s" in said
    assert "at least 2000" in said
    assert "500 (0.25)" in said
    assert said.endswith("one core")
    assert "TCP" not in said


def test_what_was_not_measured_is_said_to_be_so() -> None:
    ours = Costs("ours", {("http", 2000): figures(1000, 0.1)})
    assert "not measured" in table([ours, Costs("theirs")], "")
