from __future__ import annotations

import pytest

from probes.host import timex
from probes.host.adjtimex import Clock
from tests.probes.targets import values


@pytest.mark.parametrize("fraction_s", [1e-6, 1e-9])
def test_the_kernels_units_become_seconds_and_ratios(fraction_s: float) -> None:
    names = "offset freq maxerror esterror status constant tick tai ppsfreq jitter shift stabil jitcnt calcnt"
    numbers = dict.fromkeys([*names.split(), "errcnt", "stbcnt"], 65_536_000)
    told = values(timex.samples(Clock(False, 0.0, fraction_s, numbers)))
    assert told["node_timex_sync_status"] == 0
    assert told["node_timex_offset_seconds"] == pytest.approx(65_536_000 * fraction_s)
    assert told["node_timex_pps_jitter_seconds"] == pytest.approx(65_536_000 * fraction_s)
    assert told["node_timex_maxerror_seconds"] == pytest.approx(65.536)
    assert told["node_timex_frequency_adjustment_ratio"] == pytest.approx(1.001)
    assert told["node_timex_tai_offset_seconds"] == 65_536_000
