"""The measurement of the host's probes says what it measured."""

from __future__ import annotations

import os
import time

import pytest

from bench.host import Figures, cpu_s, series_in, table


def test_the_table_shows_each_cost_and_the_ratio_to_node_exporter() -> None:
    said = table(
        {
            "agent, host": Figures(80.0, 50.0, 400),
            "agent, load": Figures(40.0, 48.0, 3),
            "node_exporter": Figures(50.0, 20.0, 368),
        }
    )
    assert "80.0 ms CPU per minute,  50.0 MB RSS,  400 series" in said
    assert "1.60 : 1, expected 2 at most" in said
    assert "0.80 : 1" in said


def test_only_series_about_the_host_are_counted() -> None:
    text = '# TYPE node_load1 gauge\nnode_load1 1\nnode_scrape_collector_success{a="b"} 1\ngo_threads 3\n'
    assert series_in(text + "beforehand_reboot_required 0\nnode_exporter_build_info 1\n") == 2


def test_the_cpu_time_of_a_process_is_that_which_it_took() -> None:
    before_s, mine_s = cpu_s(os.getpid()), time.process_time()
    sum(range(3_000_000))
    assert cpu_s(os.getpid()) - before_s == pytest.approx(time.process_time() - mine_s, abs=0.02)
