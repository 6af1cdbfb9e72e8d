"""What every probe owes: its declared metrics, documented options with defaults, its deadline, its place."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import re
import sys
import time
from collections.abc import Iterator
from types import ModuleType

import pytest

from model.decode import decode
from model.plugin import AnyProbe, FileChange, ProcessExit, Remark, RunAgain
from model.sample import Sample
from probes import BY_NAME, PROBES
from probes.net.domain import Unanswered
from probes.service.scrape import Unscraped
from tests.probes.targets import hang, listening, within

# The least that each probe must be told; all others run with nothing. In a container no mount may hold data.
LEAST = {
    "filesystem": "{{fs_types_exclude: '^$'}}",
    "updates": "{{rootfs: /nowhere}}",
    "process": "{{group: g, name: init}}",
    "nagios": "{{check: c, argv: [/bin/echo, 'OK | a=1s;2;3;0;9']}}",
    "command": "{{command: c, argv: [/bin/echo, '5'], matches: x, values: {{v: {{regex: '.'}}}}}}",
    "heartbeat": "{{name: n}}",
    "scrape": "{{target: 'http://127.0.0.1:{port}/'}}",
    "postgres": "{{target: '127.0.0.1:{port}'}}",
    "mysql": "{{target: '127.0.0.1:{port}'}}",
    "redis": "{{target: '127.0.0.1:{port}'}}",
    "memcached": "{{target: '127.0.0.1:{port}'}}",
    "nginx": "{{target: 'http://127.0.0.1:{port}/'}}",
    "container": "{{socket: /nowhere}}",
    "postfix": "{{spool: /nowhere}}",
    "http": "{{target: 'http://127.0.0.1:{port}/'}}",
    "tcp": "{{target: '127.0.0.1:{port}'}}",
    "dns": "{{target: '127.0.0.1:{port}', query_name: example.com, transport_protocol: tcp}}",
    "icmp": "{{target: 127.0.0.1}}",
    "grpc": "{{target: '127.0.0.1:{port}'}}",
    "websocket": "{{target: 'ws://127.0.0.1:{port}/'}}",
    "unix": "{{target: /nowhere/{port}}}",
    "http_flow": "{{flow: 'shop {port}', steps: [{{step: home, url: 'http://127.0.0.1:{port}/'}}]}}",
    "tls": "{{target: '127.0.0.1:{port}'}}",
    "domain": "{{domain: example.com, server: 'http://127.0.0.1:{port}/'}}",
    "file": "{{paths: [/etc/passwd], directories: [/etc], hash: true}}",
    "log": "{{paths: [/etc/passwd], patterns: [{{pattern: Root, regex: root}}]}}",
    "journal": "{{journalctl: /bin/true}}",
    "kmsg": "{{device: /dev/null}}",
    "cert_file": "{{paths: ['/etc/ssl/certs/*.crt', /nowhere]}}",
    "backup": "{{tool: file, name: nightly, paths: ['/nowhere/*']}}",
}

# A host may have nothing for these, and then they say nothing.
MAY_BE_SILENT = {
    "arp", "bonding", "conntrack", "cpufreq", "diskstats", "dmi", "edac", "hwmon", "kernel_hung",
    "mdadm", "nvme", "os", "powersupplyclass", "pressure", "schedstat", "systemd", "thermal_zone",
    "timesync", "timex", "updates",
}  # fmt: skip  # the names on one line

# A probe whose target told nothing may say that it is unknown.
UNKNOWN: dict[str, tuple[type[Exception], ...]] = {"domain": (Unanswered,), "scrape": (Unscraped,)}

# Jobs whose samples belong to the host itself, and those that look at a target.
OF_THE_HOST = ("node", "process", "container", "postfix", "nagios", "command", "heartbeat")
OF_A_TARGET = ("blackbox", "scrape", "postgres", "mysql", "redis", "memcached", "nginx")

each_probe = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)


@pytest.fixture
def silent() -> Iterator[int]:
    with listening(hang) as port:
        yield port


def least(probe: AnyProbe, port: int) -> object:
    return decode(LEAST.get(probe.name, "{{}}").format(port=port).encode(), "f", probe.options)


def told_by(probe: AnyProbe, port: int) -> list[object]:
    with contextlib.suppress(*UNKNOWN.get(probe.name, ())):
        return list(probe.look(least(probe, port))(within(0.5)))
    return []


@each_probe
def test_a_probe_emits_only_what_it_declares(probe: AnyProbe, silent: int) -> None:
    declared = {metric.name: {"__name__", *metric.labels} for metric in probe.emits}
    told = told_by(probe, silent)
    assert told or probe.name in MAY_BE_SILENT or probe.name in UNKNOWN
    for one in told:
        assert isinstance(one, Sample | ProcessExit | FileChange | Remark | RunAgain)
        if isinstance(one, Sample):
            more = {"step"} if probe.name == "http_flow" else set()
            assert set(one.labels) <= declared[one.labels.name] | more
            assert one.value == one.value


@each_probe
def test_a_probe_honours_its_deadline(probe: AnyProbe, silent: int) -> None:
    began = time.monotonic()
    told_by(probe, silent)
    assert time.monotonic() - began < 3


@each_probe
def test_options_are_frozen_and_documented_and_can_be_left_out(probe: AnyProbe) -> None:
    assert dataclasses.is_dataclass(probe.options)
    assert probe.options.__dataclass_params__.frozen  # type: ignore[attr-defined]  # typeshed does not know it
    words = inspect.getdoc(probe.options)
    assert words
    assert words.endswith(".")
    required = {
        field.name
        for field in dataclasses.fields(probe.options)
        if field.init and field.default is field.default_factory is dataclasses.MISSING
    }
    assert required <= {
        "group",
        "target",
        "query_name",
        "flow",
        "steps",
        "domain",
        "paths",
        "tool",
        "name",
        "check",
        "argv",
        "command",
    }


@each_probe
def test_a_probe_says_where_its_samples_belong(probe: AnyProbe, silent: int) -> None:
    assert probe.job in (*OF_THE_HOST, *OF_A_TARGET)
    target = probe.target(least(probe, silent))
    assert (
        (target in ("127.0.0.1", "example.com") or str(silent) in target)
        if probe.job in OF_A_TARGET
        else target == ""
    )
    assert probe.timeout <= probe.every


@each_probe
def test_a_metric_is_named_and_described_in_prometheus_ways(probe: AnyProbe) -> None:
    assert len({metric.name for metric in probe.emits}) == len(probe.emits)
    for metric in probe.emits:
        assert re.fullmatch(
            r"(node|probe|beforehand|scrape|pg|mysql|redis|memcached|nginx|container|postfix|nagios)_[A-Za-z0-9_]+",
            metric.name,
        )
        assert (metric.kind == "counter") is metric.name.endswith("_total")
        assert metric.help.endswith(".")


def module_of(probe: AnyProbe) -> ModuleType:
    made = probe.run or probe.begin
    assert made is not None
    return sys.modules[made.__module__]


@each_probe
def test_a_probe_stands_in_the_module_of_its_name(probe: AnyProbe) -> None:
    assert module_of(probe).__name__.rpartition(".")[2] == probe.name
    assert module_of(probe).PROBE is probe
    assert BY_NAME[probe.name] is probe
    assert inspect.getdoc(module_of(probe))


def test_the_same_metric_means_the_same_in_all_probes() -> None:
    known: dict[str, object] = {}
    for probe in PROBES:
        for metric in probe.emits:
            assert known.setdefault(metric.name, metric) == metric


@each_probe
def test_a_probe_reads_no_clock_of_its_own(probe: AnyProbe) -> None:
    tree = ast.parse(inspect.getsource(module_of(probe)))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported.isdisjoint({"time", "datetime", "random", "subprocess"})
