from __future__ import annotations

from pathlib import Path

import pytest

from tests.probes.host import compare, dashboards, golden
from tests.probes.host.exporter import PROGRAM


@pytest.fixture(scope="module")
def of_fixture(tmp_path_factory: pytest.TempPathFactory) -> golden.Comparison:
    return golden.of_fixture(tmp_path_factory.mktemp("host"))


@pytest.mark.needs(PROGRAM)
def test_a_host_made_of_files_is_told_as_node_exporter_tells_it(of_fixture: golden.Comparison) -> None:
    assert of_fixture.differing == {}
    assert set(of_fixture.missing) == set(golden.MISSING)
    assert set(of_fixture.ours_alone) == set(golden.OURS_ALONE)
    assert len(of_fixture.matched) > 230


@pytest.mark.needs(PROGRAM)
def test_the_host_made_of_files_has_something_for_every_probe(of_fixture: golden.Comparison) -> None:
    told = {*of_fixture.matched, *of_fixture.ours_alone}
    silent = [name for name, probe in golden.READ.items() if told.isdisjoint(m.name for m in probe.emits)]
    assert silent == []


@pytest.mark.needs(PROGRAM)
def test_on_this_host_each_series_agrees_within_the_drift_of_a_scrape() -> None:
    found = golden.of_this_host()
    assert found.differing == {}
    assert set(found.missing) <= {*golden.MISSING, *golden.PASSING}
    assert set(found.ours_alone) <= {*golden.OURS_ALONE, *golden.PASSING}
    assert len(found.matched) > 150


def test_what_differs_is_told_by_name_and_with_its_reason() -> None:
    theirs = {"same": 1.0, 'node_disk_info{serial="a"}': 1.0, 'other{d="1"}': 2.0, 'other{d="2"}': 3.0}
    mine = {"same": 1.0, 'node_disk_info{serial="b"}': 1.0, 'other{d="1"}': 9.0, 'other{d="2"}': 3.0}
    found = golden.compared(theirs, mine, apart={'other{d="1"}'})
    assert found.matched == ("same",)
    assert found.differing == {"other": ['other{d="1"}']}
    told = "\n".join(compare.lines("A host", found))
    assert "A host: 1 names matched" in told
    assert "node_disk_info, 1 series: a disk's serial number" in told
    assert "other, 1 series: ?" in told


@pytest.mark.parametrize(("source", "names_min"), [("node_mixin", 50), ("node_exporter_full", 220)])
def test_what_dashboards_ask_for_is_told_or_left_out_for_a_reason(source: str, names_min: int) -> None:
    names = dashboards.asked_for(source)
    assert len(set(names)) == len(names) >= names_min
    assert set(dashboards.not_told(source)) <= set(dashboards.NOT_TOLD)
    assert any(line.startswith(f"{source}: ") for line in dashboards.lines())


def test_no_reason_stands_for_what_is_told() -> None:
    asked = {name for source in dashboards.SOURCES for name in dashboards.asked_for(source)}
    assert set(dashboards.NOT_TOLD) <= asked
    assert dashboards.told().isdisjoint(dashboards.NOT_TOLD)


def test_a_fixture_may_hold_tabs_lines_and_nothing() -> None:
    text = "# words\n\n:: a/b = 1\\t2\n:: c\nx\n\ny\n:: d =\n"
    assert dict(golden.described(text)) == {"a/b": "1\t2\n", "c": "x\n\ny\n", "d": "\n"}


def test_the_fixture_is_planted_where_the_probes_look(tmp_path: Path) -> None:
    host = golden.planted(tmp_path)
    assert host.procfs.attribute("loadavg") == "0.21 0.37 10.39 1/719 19737"
    assert host.sysfs.number("class/net/eth0/flags") == 0x1303
