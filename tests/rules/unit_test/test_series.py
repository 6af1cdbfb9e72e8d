"""Series of rule tests are written in promtool's notation, and what promtool refuses is refused."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path

import pytest

from model.labels import Labels
from model.misfit import Misfit
from rules.unit_test.series import VALUES_MAX, Entry, Gap, SeriesName, SeriesValues

M, S = Gap.MISSING, Gap.STALE

VALUES: list[tuple[str, tuple[Entry, ...]]] = [
    ("", ()),
    ("1 2.5 -3 +4 .5 6. 1e3 2E-2", (1, 2.5, -3, 4, 0.5, 6, 1000, 0.02)),
    ("0+10x3", (0, 10, 20, 30)),
    ("5-1x2 7x2", (5, 4, 3, 7, 7, 7)),
    ("0x10", (0.0,) * 11),
    ("_ _x3 1 stale", (M, M, M, M, 1, S)),
    ("  1\t2  ", (1, 2)),
    ("Inf -inf +Inf", (math.inf, -math.inf, math.inf)),
    ("0+0.1x3", (0, 0.1, 0.2, 0.1 + 0.1 + 0.1)),
    ("{{schema:1 sum:2 count:3}} {{}}x5", (Gap.HISTOGRAM, Gap.HISTOGRAM)),
]
REFUSED = [
    ("NaNx3", 0),
    ("1 Infx2", 2),
    ("stalex2", 0),
    ("1+1", 0),
    ("1 - 2", 2),
    ("1+NaNx2", 0),
    ("1_000", 0),
    ("1+-1x2", 0),
    ("1x-1", 0),
    ("1 x 3", 2),
    ("a", 0),
    ("1,2", 0),
]


@pytest.mark.parametrize(("text", "entries"), VALUES)
def test_values_are_read_as_promtool_reads_them(text: str, entries: tuple[Entry, ...]) -> None:
    assert SeriesValues.parse(text).entries == entries


def test_a_value_may_be_no_number_at_all() -> None:
    (value,) = SeriesValues.parse("NaN").entries
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(("text", "offset"), REFUSED)
def test_what_is_no_value_is_refused_at_its_place(text: str, offset: int) -> None:
    with pytest.raises(Misfit, match="is no value of a series") as caught:
        SeriesValues.parse(text)
    assert caught.value.offset == offset


def test_a_series_without_end_is_refused() -> None:
    with pytest.raises(Misfit, match="too long"):
        SeriesValues.parse(f"1x{VALUES_MAX}")
    assert len(SeriesValues.parse(f"1x{VALUES_MAX - 1}").entries) == VALUES_MAX


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("up", {"__name__": "up"}),
        ('up{job="web",instance="a:1"}', {"__name__": "up", "job": "web", "instance": "a:1"}),
        ("{a='b', c=`d`,}", {"a": "b", "c": "d"}),
        ('a:b:c { x = "y" } ', {"__name__": "a:b:c", "x": "y"}),
        ('{"up", job="web"}', {"__name__": "up", "job": "web"}),
        ('up{a="\\"\\n", b=""}', {"__name__": "up", "a": '"\n'}),
        ("{}", {}),
        ("", {}),
    ],
)
def test_the_name_of_a_series_is_read(text: str, labels: dict[str, str]) -> None:
    assert SeriesName.parse(text).labels is Labels.of(labels)


@pytest.mark.parametrize("text", ["up{", "up{a", 'up{a="b"', 'up{a=~"b"}', "up{a=1}", "up 1", "1", "up{,}"])
def test_what_is_no_series_is_refused(text: str) -> None:
    with pytest.raises(Misfit):
        SeriesName.parse(text)


@pytest.mark.needs("promtool")
def test_promtool_reads_and_refuses_the_same(tmp_path: Path) -> None:
    known = [text for text, entries in VALUES if Gap.HISTOGRAM not in entries]
    for text in (*known, *(text for text, _ in REFUSED)):
        case = {"input_series": [{"series": "m", "values": text}]}
        (tmp_path / "t.yml").write_text(json.dumps({"rule_files": [], "tests": [{"interval": "1m", **case}]}))
        argv = [shutil.which("promtool") or "", "test", "rules", "t.yml"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (text in known), (text, done.stderr)
