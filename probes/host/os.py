"""What operating system the host runs, and until when it is cared for."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from typing import Final

from model.plugin import Deadline, Probe
from model.sample import Metric, Sample
from probes.host.roots import Rootfs, this_host

INFO = Metric(
    "node_os_info", "What os-release says.",
    labels=(
        "build_id", "id", "id_like", "image_id", "image_version", "name", "pretty_name", "variant",
        "variant_id", "version", "version_codename", "version_id",
    ),
)  # fmt: skip  # the labels on two lines
VERSION = Metric(
    "node_os_version",
    "The version of the system as far as it is one number.",
    labels=("id", "id_like", "name"),
)
SUPPORT_END = Metric(
    "node_os_support_end_timestamp_seconds", "When the system is no longer cared for, in seconds since 1970."
)

_PLACES: Final = ("etc/os-release", "usr/lib/os-release")
_LINE: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)")
_QUOTED: Final = re.compile(r"""\\(["'$`\\])""")
_NUMBER: Final = re.compile(r"[0-9]+\.?[0-9]*")
_DATE: Final = re.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})")


def parse(os_release: str) -> dict[str, str]:
    """Return the assignments in a file of the form of os-release(5)."""
    found = {}
    for line in os_release.split("\n"):
        assignment = _LINE.fullmatch(line)
        if assignment:
            found[assignment[1]] = _unquoted(assignment[2].strip())
    return found


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return _QUOTED.sub(r"\1", value)


def samples(told: dict[str, str]) -> Iterator[Sample]:
    """Yield what the file says."""
    labels = {label: told.get(label.upper(), "") for label in INFO.labels}
    yield INFO(1, **labels)
    number = _NUMBER.match(labels["version_id"])
    if number and float(number[0]) > 0:
        yield VERSION(float(number[0]), id=labels["id"], id_like=labels["id_like"], name=labels["name"])
    date = _DATE.fullmatch(told.get("SUPPORT_END", ""))
    if date:
        year, month, day = map(int, date.groups())
        yield SUPPORT_END(calendar.timegm((year, month, day, 0, 0, 0)))


def run(options: Rootfs, _deadline: Deadline) -> Iterator[Sample]:
    """Yield what the host's os-release says; nothing where it has none."""
    for place in _PLACES:
        text = options.rootfs.text_if_any(place)
        if text:
            return samples(parse(text))
    return iter(())


PROBE = Probe("os", Rootfs, run, (INFO, VERSION, SUPPORT_END), job="node", target=this_host)
