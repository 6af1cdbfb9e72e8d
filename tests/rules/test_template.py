"""Templates print what Prometheus prints, and never fail while printing."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.misfit import Misfit
from rules import go_format
from rules.template import OUTPUT_BYTES_MAX, Template
from rules.template_tree import View

GOLDEN: list[tuple[float, str, str, str, str, str, str]] = [
    (0, "0", "0", "0", "0s", "0%", "0.00"),
    (0.000123, "0.000123", "123u", "0.000123", "123us", "0.0123%", "0.00"),
    (0.12345, "0.12345", "123.5m", "0.1235", "123.5ms", "12.35%", "0.12"),
    (59.96, "59.96", "59.96", "59.96", "59.96s", "5996%", "59.96"),
    (3725.7, "3725.7", "3.726k", "3.638ki", "1h 2m 5s", "3.726e+05%", "3725.70"),
    (90061, "90061", "90.06k", "87.95ki", "1d 1h 1m 1s", "9.006e+06%", "90061.00"),
    (1234567, "1.234567e+06", "1.235M", "1.177Mi", "14d 6h 56m 7s", "1.235e+08%", "1234567.00"),
    (1e8, "1e+08", "100M", "95.37Mi", "1157d 9h 46m 40s", "1e+10%", "100000000.00"),
    (1e-7, "1e-07", "100n", "1e-07", "100ns", "1e-05%", "0.00"),
    (-75, "-75", "-75", "-75", "-1m 15s", "-7500%", "-75.00"),
    (math.nan, "NaN", "NaN", "NaN", "NaN", "NaN%", "NaN"),
    (math.inf, "+Inf", "+Inf", "+Inf", "+Inf", "+Inf%", "+Inf"),
]
FORMS = (
    "{{ $value }}",
    "{{ $value | humanize }}",
    "{{ $value | humanize1024 }}",
    "{{ $value | humanizeDuration }}",
    "{{ $value | humanizePercentage }}",
    '{{ $value | printf "%.2f" }}',
)


def shown(text: str, value: float = 3.0, **labels: str) -> str:
    return Template.parse(text).render(View(labels, float(value)))


def refused(text: str) -> Misfit:
    with pytest.raises(Misfit) as caught:
        Template.parse(text)
    return caught.value


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: str(row[0]))
def test_every_number_function_prints_what_prometheus_prints(
    row: tuple[float, str, str, str, str, str, str],
) -> None:
    assert tuple(shown(form, float(row[0])) for form in FORMS) == row[1:]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (999999, "999999"),
        (1000000, "1e+06"),
        (1234567.5, "1.2345675e+06"),
        (123456.789, "123456.789"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (3, "3"),
        (-0.0, "-0"),
        (-2500000, "-2.5e+06"),
        (5e10, "5e+10"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (1e21, "1e+21"),
        (-math.inf, "-Inf"),
    ],
)
def test_a_bare_value_has_the_shortest_digits_and_an_exponent_from_a_million(value: float, text: str) -> None:
    assert shown("{{ $value }}", value) == text
    assert shown('{{ printf "%v %g" $value $value }}', value) == f"{text} {text}"


@given(st.floats())
def test_every_printed_float_reads_back_as_itself(value: float) -> None:
    text = go_format.number(value)
    assert math.isnan(float(text)) if math.isnan(value) else float(text) == value


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("plain", "plain"),
        ("{{ $labels.instance }} is down", "web1:9100 is down"),
        ("{{ .Labels.instance }} {{ .Value }}", "web1:9100 3"),
        ("[{{ $labels.nothing }}]", "[]"),
        ("a {{- $value -}} b", "a3b"),
        ("a {{- /* why */ -}} b", "ab"),
        ("a {{/* why }} */}} b", "a  b"),
        ("{{ $labels }}", "map[instance:web1:9100 job:node]"),
        ("{{ $labels.instance | stripPort | toUpper }}", "WEB1"),
        ('{{ "host.example.com:9100" | stripPort }}', "host.example.com"),
        ('{{ "host.example.com:9100" | stripDomain }}', "host:9100"),
        ('{{ "10.1.2.3:80" | stripDomain }} {{ stripDomain "a.b" }}', "10.1.2.3:80 a"),
        ('{{ stripPort "[::1]:80" }} {{ stripPort "::1" }} {{ stripPort "a:b:c" }}', "::1 ::1 a:b:c"),
        ('{{ title "foo bar-baz" }} {{ toLower "ÄB" }}', "Foo Bar-Baz äb"),
        ("{{ humanizeTimestamp 90061 }}", "1970-01-02 01:01:01 +0000 UTC"),
        ("{{ humanizeTimestamp 1.5 }}", "1970-01-01 00:00:01.5 +0000 UTC"),
        ("{{ humanizeTimestamp -1.5 }}", "1969-12-31 23:59:58.5 +0000 UTC"),
        ('{{ humanize "1500" }}', "1.5k"),
        ('{{ printf "%s|%5s|%-5s|%.2s" "abc" "d" "e" "fgh" }}', "abc|    d|e    |fg"),
        ('{{ printf "%q %q" "a\\"b" "\\n" }}', '"a\\"b" "\\n"'),
        ('{{ printf "%d%%" 5 }}', "5%"),
        ('{{ printf "%d" $value }}', "%!d(float64=3)"),
        ('{{ printf "%s" $value }}', "%!s(float64=3)"),
        ('{{ printf "%.1f %d" "x" }}', "%!f(string=x) %!d(MISSING)"),
        ('{{ printf "x" 1 "y" }}', "x%!(EXTRA int=1, string=y)"),
        ('{{ printf "%v %t" true true }}', "true true"),
        ('{{ printf "%6.2f|%+d|%x|%e" 3.14159 5 "az" 1500.0 }}', "  3.14|+5|617a|1.500000e+03"),
        ('{{ (printf "%s" "a") | toUpper }}', "A"),
        ('{{ printf "%s" (toUpper "a" | printf "%s-%s" "b") }}', "b-A"),
        ("{{ `raw\\n` }}", "raw\\n"),
        ("{{ if $labels.job }}yes{{ else }}no{{ end }}", "yes"),
        ("{{ if $labels.nothing }}yes{{ else }}no{{ end }}", "no"),
        ("{{ if .Labels.nothing }}1{{ else if $value }}2{{ else }}3{{ end }}.", "2."),
        ("{{ if true }}{{ if false }}a{{ else }}b{{ end }}c{{ end }}", "bc"),
        ("{{ if 0 }}a{{ end }}", ""),
        ("}} {", "}} {"),
    ],
)
def test_a_template_prints_what_go_prints(text: str, printed: str) -> None:
    assert shown(text, instance="web1:9100", job="node") == printed


@pytest.mark.parametrize(
    ("text", "offset", "sentence"),
    [
        ("ab {{ $value", 3, "do not close"),
        ("{{ }}", 0, "a value is missing"),
        ("{{ $value | }}", 0, "a value is missing"),
        ("{{ $value | humanise }}", 12, "no function 'humanise'"),
        ("{{ humanize }}", 3, "takes 1 arguments, got 0"),
        ("{{ humanize 1 2 }}", 3, "takes 1 arguments, got 2"),
        ("{{ range $labels }}x{{ end }}", 3, "'range' is not read"),
        ('{{ query "up" }}', 3, "no function 'query'"),
        ("{{ $x := 1 }}", 3, "only the labels and the value"),
        ("{{ .Nothing }}", 3, "only the labels and the value"),
        ("{{ . }}", 3, "'.' may not stand here"),
        ("{{ $labels.a.b }}", 3, "no part 'b'"),
        ("{{ $value.x }}", 3, "no part 'x'"),
        ("{{ if $value }}x", 0, "has no end"),
        ("x{{ end }}", 1, "belongs to no if"),
        ("{{ else }}", 0, "belongs to no if"),
        ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", 20, "belongs to no if"),
        ("{{ end of }}", 7, "nothing may follow end"),
        ('{{ printf "%y" 1 }}', 3, "does not know this verb"),
        ('{{ printf "%9999d" 1 }}', 3, "pads too far"),
        ('{{ "a }}', 3, "quote does not close"),
        ('{{ "\\d" }}', 3, "escapes wrongly"),
        ("{{ (humanize 1 }}", 3, "parenthesis does not close"),
        ("{{ humanize 1) }}", 13, "may not stand here"),
        ("{{ 1 2 }}", 3, "is no function"),
        ("{{ 1 | 2 }}", 7, "only a function can follow"),
        ("{{ # }}", 3, "'#' may not stand here"),
        ("{{ 007 }}", 3, "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, offset: int, sentence: str) -> None:
    wrong = refused(text)
    assert sentence in wrong.sentence
    assert wrong.offset == offset


def test_nesting_is_bounded_so_that_no_template_ends_the_process() -> None:
    assert "nesting" in refused("{{ if 1 }}" * 40 + "{{ end }}" * 40).sentence
    assert "nesting" in refused("{{ if 1 }}" + "{{ else if 1 }}" * 40 + "{{ end }}").sentence
    assert "nesting" in refused("{{ " + "(" * 40 + "1" + ")" * 40 + " }}").sentence


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{{ humanize "abc" }}', 'expected a number, got the string "abc"'),
        ("{{ toUpper $value }}", "expected a text, got the float64 3"),
        ("{{ humanize $labels }}", "expected a number, got the map[string]string map[]"),
        ("{{ humanizeTimestamp 1e300 }}", "no time in nanoseconds"),
        ("{{ printf $labels.nothing | printf }}", ""),
    ],
)
def test_a_mistake_while_printing_is_printed_in_place_of_the_text(text: str, error: str) -> None:
    printed = shown(text)
    assert printed == "" if not error else printed.startswith("<error expanding template: ")
    assert error in printed


def test_a_format_from_a_label_cannot_pad_without_bound() -> None:
    assert (
        shown("{{ printf $labels.f 1 }}", f="%999999999d")
        == "<error expanding template: printf pads too far>"
    )


def test_the_printed_text_is_bounded() -> None:
    long = "x" * (OUTPUT_BYTES_MAX // 2)
    assert len(shown("{{ $labels.a }}{{ $labels.a }}", a=long)) == OUTPUT_BYTES_MAX
    assert "more than 65536 bytes" in shown("{{ $labels.a }}{{ $labels.a }}!", a=long)


@given(st.text(alphabet='{}-$.|() \n"`%labelsvuif09ndrtph/*', max_size=60), st.text(), st.floats())
def test_any_text_is_either_refused_or_printed(text: str, label: str, value: float) -> None:
    try:
        template = Template.parse(text)
    except Misfit as wrong:
        place = wrong.offset
    else:
        place = 0
        assert isinstance(template.render(View({"s": label}, value)), str)
    assert 0 <= place <= len(text)


@pytest.mark.needs("promtool")
def test_promtool_prints_the_same(tmp_path: Path) -> None:
    values = [
        "0.000123",
        "59.96",
        "-75",
        "1e8",
        "9e9",
        "123456.789",
        "0.00001",
        "1024",
        "1000",
        "86400.5",
        "0.99995",
    ]
    values += ["999.96", "9999.5", "60", "3599.9", "1700000000.25", "NaN", "+Inf"]
    forms = [
        *FORMS,
        "{{ $value | humanizeTimestamp }}",
        '{{ printf "%q" $labels.host }} {{ title $labels.host }} {{ stripDomain $labels.host }}',
        '{{ printf "%8.3g|%-9s|%+.1e|%d" $value "x" $value $value }}',
        "{{ if $value -}} a {{- else if $labels.host }} b {{ else }}c{{ end }}",
        "{{ $labels }} {{ .Labels.host | stripPort }}",
    ]
    rules = "groups:\n- name: g\n  rules:\n" + "".join(
        f"  - {{alert: A{n}, expr: m, annotations: {{t: '{form}'}}}}\n" for n, form in enumerate(forms)
    )
    (tmp_path / "r.yml").write_text(rules)
    hosts = [f"a_b-c.d{n}.example:80" for n in range(len(values))]
    series = [
        f"  - {{series: 'm{{host=\"{h}\"}}', values: '{v}'}}\n" for h, v in zip(hosts, values, strict=True)
    ]
    tests = "rule_files: [r.yml]\ntests:\n- interval: 1m\n  input_series:\n" + "".join(series)
    tests += "  alert_rule_test:\n"
    for n, form in enumerate(forms):
        tests += f"  - eval_time: 0s\n    alertname: A{n}\n    exp_alerts:\n"
        for host, value in zip(hosts, values, strict=True):
            text = shown(form, float(value), __name__="m", host=host).replace("'", "''")
            tests += f"    - {{exp_labels: {{host: '{host}'}}, exp_annotations: {{t: '{text}'}}}}\n"
    (tmp_path / "t.yml").write_text(tests)
    argv = [shutil.which("promtool") or "", "test", "rules", "t.yml"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
