from __future__ import annotations

from pathlib import Path

import pytest

from tests.rules.promql.script import HISTOGRAM, MISSING, STALE, Clear, Eval, Load, read, values_of
from tests.rules.promql.script_run import Outcome, Run

CASES = Path(__file__).with_name("cases")
FILES = sorted(CASES.glob("*/*.test"))


def outcomes(text: str) -> list[Outcome]:
    return list(Run().outcomes(text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_engine_passes_each_script(path: Path) -> None:
    compat, experimental = path.parent.name, path.parent.name == "experimental"
    run = Run("prometheus2" if compat == "prometheus2" else "prometheus3", experimental=experimental)
    found = list(run.outcomes(path.read_text()))
    assert [outcome for outcome in found if outcome.verdict != "passed"] == []
    assert len(found) > 5


def test_an_expectation_that_is_wrong_fails() -> None:
    load = "load 1m\n  a 1 2\n  b 3\n\n"
    wrong = [
        "eval instant at 1m a\n  a 3",
        "eval instant at 1m a",
        "eval instant at 1m a\n  a 2\n  b 3",
        "eval instant at 1m nothing\n  a 2",
        "eval instant at 1m 1 + 1\n  3",
        "eval range from 0 to 1m step 1m a\n  a 1 3",
        "eval range from 0 to 1m step 1m a\n  a 1",
        'eval_ordered instant at 1m sort({__name__=~"a|b"})\n  b 3\n  a 2',
        "eval_fail instant at 1m a",
        "eval instant at 1m a\n  expect fail",
        "eval instant at 1m scalar(a) > 1\n  2",
        'eval instant at 1m a * on() {__name__=~"a|b"}\n  expect fail msg: other words',
    ]
    assert [outcome.verdict for outcome in outcomes(load + "\n\n".join(wrong))] == ["failed"] * len(wrong)


def test_what_touches_native_histograms_is_left_out() -> None:
    script = """
    load 1m
      h {{schema:0 count:1}}
      f 1
    load_with_nhcb 1m
      c_bucket{le="1"} 1
    eval instant at 0 h
    eval instant at 0 {__name__=~".+"}
    eval instant at 0 c
    eval instant at 0 histogram_sum(f)
    eval instant at 0 f
      {} {{schema:0}}
    eval instant at 0 c_bucket
      c_bucket{le="1"} 1
    """
    verdicts = [
        outcome.verdict
        for outcome in outcomes(
            script.replace("\n    eval", "\n\n    eval").replace("    load", "\n    load")
        )
    ]
    assert verdicts == ["skipped"] * 5 + ["passed"]


def test_a_script_is_read_as_upstream_reads_it() -> None:
    commands = list(read("# note\nclear\nload 5m\n  a{b='c'} 1\n\neval instant at 1h a\n  {} 1\neval"))[:3]
    assert isinstance(commands[0], Clear)
    assert isinstance(commands[1], Load)
    assert isinstance(commands[2], Eval)
    assert (commands[1].step_ms, str(commands[1].series[0][0])) == (300_000, 'a{b="c"}')


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1 2", [1.0, 2.0]),
        ("1x2", [1.0, 1.0, 1.0]),
        ("0x2", [0.0, 0.0, 0.0]),
        ("1+2x2", [1.0, 3.0, 5.0]),
        ("1-0.5x1", [1.0, 0.5]),
        ("_ _x2 stale", [MISSING] * 3 + [STALE]),
        ("-Inf 1e3", [float("-inf"), 1000.0]),
        ("{{schema:0 sum:1}}x1", [HISTOGRAM] * 2),
    ],
)
def test_values_are_written_in_a_short_form(text: str, values: list[float | str]) -> None:
    assert list(values_of(text)) == values


@pytest.mark.parametrize("text", ["-1+-2x1", "x", "1x", "stale5", "0x1f"])
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="starts with no value"):
        list(values_of(text))
