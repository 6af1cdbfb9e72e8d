"""Mains, batteries and uninterruptible supplies that the kernel knows, named as node_exporter names them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.prompt import aside_where
from probes.host.roots import SYSFS, Tree, this_host
from probes.pattern import Pattern

_NONE: Final = Pattern("^$")
_FOLDER: Final = "class/power_supply"

# The attribute of the kernel (ABI/testing/sysfs-class-power) and what stands behind node_power_supply_.
_PLAIN: Final = {
    "cycle_count": "cyclecount",
    "time_to_empty_now": "time_to_empty_seconds",
    "time_to_full_now": "time_to_full_seconds",
} | {
    name: name
    for name in (
        "authentic", "calibrate", "capacity", "capacity_alert_max", "capacity_alert_min", "online", "present",
    )
}  # fmt: skip  # the words on few lines
_MILLIONTHS: Final = {
    "current_now": "current_ampere",
    "energy_now": "energy_watthour",
    "voltage_now": "voltage_volt",
    "charge_now": "charge_ampere",
    "power_now": "power_watt",
} | {
    name: name
    for name in (
        "current_boot", "current_max", "energy_empty", "energy_empty_design", "energy_full",
        "energy_full_design", "voltage_boot", "voltage_max", "voltage_max_design", "voltage_min",
        "voltage_min_design", "voltage_ocv", "charge_control_limit", "charge_control_limit_max",
        "charge_counter", "charge_empty", "charge_empty_design", "charge_full", "charge_full_design",
        "charge_term_current", "constant_charge_current", "constant_charge_current_max",
        "constant_charge_voltage", "constant_charge_voltage_max", "precharge_current", "input_current_limit",
    )
}  # fmt: skip  # the words on few lines
_TENTHS: Final = {
    name: f"{name}_celsius"
    for name in (
        "temp", "temp_alert_max", "temp_alert_min", "temp_ambient", "temp_ambient_max", "temp_ambient_min",
        "temp_max", "temp_min",
    )
}  # fmt: skip  # the words on few lines
_WORDS: Final = (
    "capacity_level", "charge_type", "health", "manufacturer", "model_name", "serial_number", "status",
    "technology", "type", "usb_type", "scope",
)  # fmt: skip  # the words on few lines


def _metric(attribute: str, name: str) -> Metric:
    help_text = f"The attribute {attribute} of a power supply."
    return Metric(f"node_power_supply_{name}", help_text, labels=("power_supply",))


_NUMBERS: Final[dict[str, tuple[Metric, float]]] = {
    attribute: (_metric(attribute, name), divisor)
    for names, divisor in ((_PLAIN, 1), (_MILLIONTHS, 1e6), (_TENTHS, 10))
    for attribute, name in names.items()
}
INFO = Metric("node_power_supply_info", "What the supply is and how it is.", labels=("power_supply", *_WORDS))


@dataclass(frozen=True, slots=True)
class Options:
    """``ignored_supplies`` leaves out supplies by name; ``sysfs`` is where the host's /sys is."""

    ignored_supplies: Pattern = _NONE
    sysfs: Tree = SYSFS


def samples(options: Options) -> Iterator[Sample]:
    """Yield what each supply tells of itself; a battery may be slow, so only what it has is read."""
    for supply in options.sysfs.names(_FOLDER):
        if options.ignored_supplies.search(supply.encode()):
            continue
        folder = f"{_FOLDER}/{supply}"
        told = options.sysfs.names(folder)
        for attribute in told:
            if attribute in _NUMBERS:
                number = options.sysfs.number(f"{folder}/{attribute}")
                metric, divisor = _NUMBERS[attribute]
                if number is not None:
                    yield metric(number / divisor, power_supply=supply)
        words = {
            word: (options.sysfs.attribute(f"{folder}/{word}") or "") if word in told else ""
            for word in _WORDS
        }
        yield INFO(1, power_supply=supply, **words)


def run(options: Options, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the power supplies of this host."""
    return samples(options)


def _there(options: Options) -> bool:
    """Tell whether there is a supply to ask; a battery may answer slowly."""
    return bool(options.sysfs.names(_FOLDER))


PROBE = Probe(
    "powersupplyclass", Options, run, (*(metric for metric, _ in _NUMBERS.values()), INFO),
    job="node", target=this_host, converse=aside_where(_there, run),
)  # fmt: skip  # the metrics on one line
