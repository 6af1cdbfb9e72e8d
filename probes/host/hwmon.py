"""Sensors of the hardware: temperatures, voltages, fans, power; named as node_exporter names them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Kind, Metric, Sample
from probes.host.prompt import aside_where
from probes.host.roots import SYSFS, Tree, this_host
from probes.pattern import Pattern

CHIPS_MAX: Final = 256

_FOLDER: Final = "class/hwmon"
_NONE: Final = Pattern("^$")
_LABELS: Final = ("chip", "sensor")
CHIP_NAMES = Metric("node_hwmon_chip_names", "How the chip calls itself.", labels=("chip", "chip_name"))
SENSOR_LABEL = Metric("node_hwmon_sensor_label", "How the chip calls a sensor.", labels=(*_LABELS, "label"))

_FILE: Final = re.compile(r"([^0-9]+)([0-9]*)(?:_(.+))?")
_UNCLEAN: Final = re.compile(r"[^a-z0-9:_]")
_NUMBER: Final = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?")

# What a sensor of each kind may tell, by the kernel's hwmon/sysfs-interface. Left out is what drivers add to
# that, and the settings of fans, which never change by themselves.
_RANGE: Final = (
    "max min crit lcrit max_alarm min_alarm crit_alarm lcrit_alarm rated_min rated_max alarm fault beep"
)
_ELEMENTS: Final = {
    "temp": f"input {_RANGE} emergency lowest highest offset max_hyst min_hyst crit_hyst lcrit_hyst"
    " emergency_hyst emergency_alarm type",
    "in": f"input {_RANGE} average lowest highest",
    "curr": f"input {_RANGE} average lowest highest",
    "power": f"input {_RANGE} average average_highest average_lowest average_max average_min average_interval"
    " average_interval_max average_interval_min input_highest input_lowest accuracy cap cap_max cap_min"
    " cap_hyst cap_alarm",
    "humidity": "input min max min_hyst max_hyst rated_min rated_max alarm fault",
    "fan": "input min max target div pulses min_alarm max_alarm alarm fault beep",
    "cpu": "vid",
    "energy": "input",
    "intrusion": "alarm beep",
    "freq": "input",
}  # fmt: skip  # the words on few lines

_UNITS: Final = {
    "in": (1e-3, "_volts"),
    "cpu": (1e-3, "_volts"),
    "temp": (1e-3, "_celsius"),
    "curr": (1e-3, "_amps"),
    "energy": (1e-6, "_joule_total"),
    "power": (1e-6, "_watt"),
    "humidity": (1e-6, ""),
    "freq": (1e-6, "_freq_mhz"),
    "fan": (1, ""),
    "intrusion": (1, ""),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """How the number in a file becomes a sample: the metric, and the kernel's unit in that of the metric."""

    metric: Metric
    unit: float


def _unit(kind: str, element: str) -> tuple[float, str]:
    """Return the kernel's unit in that of the metric, and the suffix that names the latter."""
    if element in ("fault", "alarm") or (kind, element) == ("temp", "type"):
        return 1, ""
    if element == "beep":
        return 1, "_enabled"
    if element == "accuracy":
        return 1e-6, ""
    if element.startswith("average_interval"):
        return 1e-3, "_seconds"
    if kind == "fan" and element in ("input", "min", "max", "target"):
        return 1, "_rpm"
    return _UNITS[kind]


def _reading(kind: str, element: str) -> Reading:
    unit, suffix = _unit(kind, element)
    name = f"node_hwmon_{kind}" if element == "input" else f"node_hwmon_{kind}_{element}"
    sort: Kind = "counter" if suffix.endswith("_total") else "gauge"
    return Reading(Metric(name + suffix, f"What sensors say as {kind}*_{element}.", sort, _LABELS), unit)


READINGS: Final = {
    (kind, element): _reading(kind, element)
    for kind, elements in _ELEMENTS.items()
    for element in elements.split()
} | {
    ("pwm", ""): Reading(
        Metric("node_hwmon_pwm", "The width of a fan's pulses, 0 to 255.", labels=_LABELS), 1
    ),
    ("pwm", "enable"): Reading(Metric("node_hwmon_pwm_enable", "How a fan is run.", labels=_LABELS), 1),
    ("beep_enable", ""): Reading(
        Metric("node_hwmon_beep_enabled", "1 if the chip may beep.", labels=_LABELS), 1
    ),
    ("update_interval", ""): Reading(
        Metric("node_hwmon_update_interval_seconds", "How often the chip measures.", labels=_LABELS), 1e-3
    ),
    ("vrm", ""): Reading(
        Metric("node_hwmon_voltage_regulator_version", "The version of the regulator.", labels=_LABELS), 1
    ),
}


@dataclass(frozen=True, slots=True)
class Options:
    """``chips_exclude`` and ``sensors_exclude`` leave out what matches; ``sysfs`` is the host's /sys.

    A sensor is matched as ``chip;sensor``, as in ``platform_coretemp_0;temp3``.
    """

    chips_exclude: Pattern = _NONE
    sensors_exclude: Pattern = _NONE
    sysfs: Tree = SYSFS


def clean(text: str) -> str:
    """Return a text as it can stand in the name of a chip."""
    return _UNCLEAN.sub("_", text.lower()).strip("_")


def chips(sysfs: Tree) -> dict[str, str]:
    """Return the folder of each chip by the name that node_exporter gives it, at most ``CHIPS_MAX``.

    The number of a chip changes from boot to boot, the path of its device does not.
    """
    folders = [f"{_FOLDER}/{name}" for name in sysfs.names(_FOLDER)][:CHIPS_MAX]
    own = {folder: clean(sysfs.attribute(f"{folder}/name") or "") for folder in folders}
    names = {folder: _device(sysfs, folder) or own[folder] for folder in folders}
    taken, twins = Counter(names.values()), Counter((names[folder], own[folder]) for folder in folders)
    found = {}
    for folder, name in names.items():
        number = clean(folder.rpartition("/")[2])
        if not name:
            found[number] = folder
        elif taken[name] == 1:
            found[name] = folder
        else:
            more = own[folder] if own[folder] and twins[name, own[folder]] == 1 else number
            found[f"{name}_{more}"] = folder
    return found


def _device(sysfs: Tree, folder: str) -> str:
    """Return the bus and name of the device behind a chip, or nothing."""
    link = sysfs / f"{folder}/device"
    try:
        device = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return ""
    return "_".join(filter(None, (clean(device.parent.name), clean(device.name))))


def sensors(sysfs: Tree, folder: str) -> dict[str, dict[str, str]]:
    """Return the path of each file of each sensor of a chip, by what stands behind the sensor's number."""
    found: dict[str, dict[str, str]] = {}
    for place in (folder, f"{folder}/device"):  # old drivers put the files beside the chip
        for name in sysfs.names(place):
            parts = _FILE.fullmatch(name)
            if parts and ((parts[1], parts[3] or "") in READINGS or parts[3] == "label"):
                sensor = f"{parts[1]}{int(parts[2] or 0)}"
                found.setdefault(sensor, {})[parts[3] or ""] = f"{place}/{name}"
    return found


def samples(options: Options) -> Iterator[Sample]:
    """Yield what each sensor of each chip says."""
    sysfs = options.sysfs
    for chip, folder in chips(sysfs).items():
        if options.chips_exclude.search(chip.encode()):
            continue
        own = clean(sysfs.attribute(f"{folder}/name") or "")
        if own:
            yield CHIP_NAMES(1, chip=chip, chip_name=own)
        for sensor, files in sensors(sysfs, folder).items():
            if not options.sensors_exclude.search(f"{chip};{sensor}".encode()):
                yield from _sensor(sysfs, chip, sensor, files)


def _sensor(sysfs: Tree, chip: str, sensor: str, files: dict[str, str]) -> Iterator[Sample]:
    label = sysfs.attribute(files["label"]) if "label" in files else None
    if label:
        yield SENSOR_LABEL(1, chip=chip, sensor=sensor, label=label)
    kind = sensor.rstrip("0123456789")
    for element, path in files.items():
        known = READINGS.get((kind, element))
        said = sysfs.attribute(path) if known else None
        if known and said and _NUMBER.fullmatch(said):
            if kind == "freq":
                if label:  # a clock is known by its label alone
                    yield known.metric(float(said) * known.unit, chip=chip, sensor=clean(label))
            else:
                yield known.metric(float(said) * known.unit, chip=chip, sensor=sensor)


def run(options: Options, _deadline: Deadline) -> Iterator[Sample]:
    """Yield the sensors of this host."""
    return samples(options)


def _there(options: Options) -> bool:
    """Tell whether there is a chip to ask; asking one takes a bus, which takes its time."""
    return bool(options.sysfs.names(_FOLDER))


PROBE = Probe(
    "hwmon", Options, run,
    (CHIP_NAMES, SENSOR_LABEL, *(known.metric for known in READINGS.values())),
    job="node", target=this_host, converse=aside_where(_there, run),
)  # fmt: skip  # the metrics on one line
