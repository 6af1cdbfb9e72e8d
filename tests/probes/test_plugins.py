"""What every probe owes: its declared metrics, documented options with defaults, its deadline, its place."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import time
from collections.abc import Iterator
from types import ModuleType

import pytest

from model.decode import decode
from model.plugin import AnyProbe, FileChange, ProcessExit, Remark
from model.sample import Sample
from probes import BY_NAME, PROBES
from tests.probes.targets import hang, listening, within

# The least that each probe must be told; all others run with nothing. In a container no mount may hold data.
LEAST = {
    "filesystem": "{{fs_types_exclude: '^$'}}",
    "process": "{{group: g, name: init}}",
    "http": "{{target: 'http://127.0.0.1:{port}/'}}",
    "tcp": "{{target: '127.0.0.1:{port}'}}",
}

each_probe = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)


@pytest.fixture
def silent() -> Iterator[int]:
    with listening(hang) as port:
        yield port


def least(probe: AnyProbe, port: int) -> object:
    return decode(LEAST.get(probe.name, "{{}}").format(port=port).encode(), "f", probe.options)


@each_probe
def test_a_probe_emits_only_what_it_declares(probe: AnyProbe, silent: int) -> None:
    declared = {metric.name: {"__name__", *metric.labels} for metric in probe.emits}
    told = list(probe.look(least(probe, silent))(within(0.5)))
    assert told
    for one in told:
        assert isinstance(one, Sample | ProcessExit | FileChange | Remark)
        if isinstance(one, Sample):
            assert set(one.labels) <= declared[one.labels.name]
            assert one.value == one.value


@each_probe
def test_a_probe_honours_its_deadline(probe: AnyProbe, silent: int) -> None:
    began = time.monotonic()
    list(probe.look(least(probe, silent))(within(0.5)))
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
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    assert required <= {"group", "target"}


@each_probe
def test_a_probe_says_where_its_samples_belong(probe: AnyProbe, silent: int) -> None:
    assert probe.job in ("node", "blackbox", "process")
    target = probe.target(least(probe, silent))
    assert (str(silent) in target) if probe.job == "blackbox" else target == ""
    assert probe.timeout <= probe.every


@each_probe
def test_a_metric_is_named_and_described_in_prometheus_ways(probe: AnyProbe) -> None:
    assert len({metric.name for metric in probe.emits}) == len(probe.emits)
    for metric in probe.emits:
        assert re.fullmatch(r"(node|probe|beforehand_process)_[A-Za-z0-9_]+", metric.name)
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
