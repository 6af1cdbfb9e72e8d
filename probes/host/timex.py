"""How the kernel disciplines its clock, named as node_exporter names it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.adjtimex import Clock, clock
from probes.host.prompt import at_once
from probes.host.roots import this_host

_RATIO_OF_FREQ: Final = 1 / (1_000_000 * 65_536)  # parts per million with a fraction of 16 bits: adjtimex(2)


@dataclass(frozen=True, slots=True)
class Options:
    """There is nothing to set."""


SYNC_STATUS = Metric("node_timex_sync_status", "1 if the kernel holds its clock to be synchronised.")
OFFSET = Metric("node_timex_offset_seconds", "The clock's offset from its reference.")
FREQUENCY = Metric("node_timex_frequency_adjustment_ratio", "How much faster the clock is made to run.")
MAXERROR = Metric("node_timex_maxerror_seconds", "The most that the clock may be wrong.")
ESTERROR = Metric("node_timex_estimated_error_seconds", "How much the clock is estimated to be wrong.")
STATUS = Metric("node_timex_status", "The bits of the clock's status.")
CONSTANT = Metric("node_timex_loop_time_constant", "The time constant of the phase-locked loop.")
TICK = Metric("node_timex_tick_seconds", "The time between two ticks of the clock.")
TAI = Metric("node_timex_tai_offset_seconds", "The offset of International Atomic Time.")
PPS_FREQUENCY = Metric("node_timex_pps_frequency_hertz", "The frequency of the pulse per second.")
PPS_JITTER = Metric("node_timex_pps_jitter_seconds", "The jitter of the pulse per second.")
PPS_SHIFT = Metric("node_timex_pps_shift_seconds", "The calibration interval of the pulse per second.")
PPS_STABILITY = Metric("node_timex_pps_stability_hertz", "The wander of the pulse per second's frequency.")
PPS_JITTERS = Metric("node_timex_pps_jitter_total", "Pulses with too much jitter.", "counter")
PPS_CALIBRATIONS = Metric(
    "node_timex_pps_calibration_total", "Calibrations by the pulse per second.", "counter"
)
PPS_ERRORS = Metric("node_timex_pps_error_total", "Calibrations that failed.", "counter")
PPS_WANDERS = Metric(
    "node_timex_pps_stability_exceeded_total", "Calibrations with too much wander.", "counter"
)

# The field of struct timex behind each metric, and its unit; None is the unit that the status tells.
_FIELDS: Final[tuple[tuple[Metric, str, float | None], ...]] = (
    (OFFSET, "offset", None),
    (MAXERROR, "maxerror", 1e-6),
    (ESTERROR, "esterror", 1e-6),
    (STATUS, "status", 1),
    (CONSTANT, "constant", 1),
    (TICK, "tick", 1e-6),
    (TAI, "tai", 1),
    (PPS_FREQUENCY, "ppsfreq", _RATIO_OF_FREQ),
    (PPS_JITTER, "jitter", None),
    (PPS_SHIFT, "shift", 1),
    (PPS_STABILITY, "stabil", _RATIO_OF_FREQ),
    (PPS_JITTERS, "jitcnt", 1),
    (PPS_CALIBRATIONS, "calcnt", 1),
    (PPS_ERRORS, "errcnt", 1),
    (PPS_WANDERS, "stbcnt", 1),
)


def samples(said: Clock) -> Iterator[Sample]:
    """Yield what the kernel said of its clock, in seconds and ratios."""
    yield SYNC_STATUS(said.synchronised)
    yield FREQUENCY(1 + said.numbers["freq"] * _RATIO_OF_FREQ)
    for metric, name, unit in _FIELDS:
        yield metric(said.numbers[name] * (said.fraction_s if unit is None else unit))


def run(_options: Options, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the state of this host's clock; nothing where a sandbox forbids to ask."""
    said = clock()
    return samples(said) if said else iter(())


PROBE = Probe(
    "timex", Options, run, (SYNC_STATUS, FREQUENCY, *(metric for metric, _, _ in _FIELDS)),
    job="node", target=this_host, converse=at_once(run),
)  # fmt: skip  # the metrics on one line
