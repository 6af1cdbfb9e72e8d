"""How fast each processor is clocked, and how fast it may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import aside_where
from probes.host.roots import Sysfs, Tree, this_host


def _metric(name: str, words: str) -> Metric:
    return Metric(f"node_cpu_{name}_hertz", words, labels=("cpu",))


# By the file (the kernel's Documentation/admin-guide/pm/cpufreq.rst); all of them are in kHz.
_FILES: Final = {
    "cpuinfo_cur_freq": _metric("frequency", "What the CPU itself says that its clock is."),
    "cpuinfo_avg_freq": _metric("frequency_avg", "What the clock was over the last moments."),
    "cpuinfo_min_freq": _metric("frequency_min", "The slowest clock of the CPU."),
    "cpuinfo_max_freq": _metric("frequency_max", "The fastest clock of the CPU."),
    "scaling_cur_freq": _metric("scaling_frequency", "The clock that the kernel has chosen."),
    "scaling_min_freq": _metric("scaling_frequency_min", "The slowest clock that the kernel may choose."),
    "scaling_max_freq": _metric("scaling_frequency_max", "The fastest clock that the kernel may choose."),
}
GOVERNOR = Metric(
    "node_cpu_scaling_governor", "1 for the governor that chooses the clock.", labels=("cpu", "governor")
)

_FOLDER: Final = "devices/system/cpu"


def _of(sysfs: Tree, cpu: str) -> Iterator[Sample]:
    folder = f"{_FOLDER}/cpu{cpu}/cpufreq"
    for file, metric in _FILES.items():
        khz = sysfs.number(f"{folder}/{file}")
        if khz is not None:
            yield metric(khz * 1000, cpu=cpu)
    governor = sysfs.attribute(f"{folder}/scaling_governor")
    if governor:
        for other in (sysfs.attribute(f"{folder}/scaling_available_governors") or "").split():
            yield GOVERNOR(other == governor, cpu=cpu, governor=other)


def run(options: Sysfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the clocks of each processor; nothing where the kernel does not choose them."""
    for name in options.sysfs.names(_FOLDER):
        if (
            name.startswith("cpu")
            and name[3:].isdecimal()
            and options.sysfs.names(f"{_FOLDER}/{name}/cpufreq")
        ):
            yield from _of(options.sysfs, name[3:])


def _there(options: Sysfs) -> bool:
    """Tell whether the kernel chooses clocks; a processor may have to be woken to tell its own."""
    return bool(options.sysfs.names(f"{_FOLDER}/cpufreq"))


PROBE = Probe(
    "cpufreq",
    Sysfs,
    run,
    (*_FILES.values(), GOVERNOR),
    job="node",
    target=this_host,
    converse=aside_where(_there, run),
)
