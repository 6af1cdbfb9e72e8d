"""Templates print what Prometheus prints, and never fail while printing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.labels import Labels
from model.misfit import Misfit
from rules.template import go_format
from rules.template.template import OUTPUT_BYTES_MAX, Template
from rules.template.value import Found, Setting, View, WrongValue

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


def found(query: str) -> tuple[Found, ...]:
    """Answer as a store would in which two series of up exist and nothing else."""
    if query == "broken(":
        raise WrongValue("the query is broken")
    up = (Found(Labels.of(job="b"), 1.0), Found(Labels.of(job="a"), 0.0))
    return up if query == "up" else ()


SETTING = Setting({"region": "eu"}, "http://a.example/pfx", found)


def shown(text: str, value: float = 3.0, **labels: str) -> str:
    return Template.parse(text).render(View(Labels.of(labels), float(value), SETTING))


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
        ("{{ . }}", "{map[instance:web1:9100 job:node] map[region:eu] http://a.example/pfx 3}"),
        (
            "{{ $externalLabels.region }} {{ .ExternalLabels.no }} {{ $externalURL }}",
            "eu  http://a.example/pfx",
        ),
        ("{{ externalURL }} {{ pathPrefix }}", "http://a.example/pfx /pfx"),
        ("{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}", "instance=web1:9100;job=node;"),
        ("{{ range $labels }}<{{ . }}>{{ end }}", "<web1:9100><node>"),
        ("{{ range $v := .Labels }}{{ $v }}{{ break }}{{ end }}", "web1:9100"),
        (
            "{{ range $k, $_ := $labels }}{{ if eq $k `job` }}{{ continue }}{{ end }}{{ $k }}{{ end }}",
            "instance",
        ),
        ('{{ range query "none" }}a{{ else }}no{{ end }}', "no"),
        ("{{ range $i, $n := 3 }}{{ $i }}{{ $n }} {{ end }}", "00 11 22 "),
        ("{{ with $labels.job }}{{ . }} {{ $.Value }}{{ else }}none{{ end }}", "node 3"),
        ("{{ with .Labels.no }}{{ . }}{{ else }}none{{ end }}", "none"),
        ("{{ with .Labels.no }}1{{ else with .Labels.job }}{{ . }}{{ end }}", "node"),
        ("{{ with $x := $labels.job }}{{ $x }}{{ end }}", "node"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}", "32"),
        ("{{ $labels := 5 }}{{ $labels }}", "5"),
        ("{{ and $value 0 }} {{ and 1 `x` }} {{ or 0 `` }} {{ or `a` (index $labels) }}", "0 x  a"),
        ("{{ not $value }} {{ not `` }}", "false true"),
        (
            "{{ eq $value 3.0 }} {{ eq 1 2 1 }} {{ ne `a` `b` }} {{ lt 1 2 }}{{ le 2 2 }}{{ gt 1 2 }}",
            "true true true truetruefalse",
        ),
        (
            "{{ len `äb` }} {{ len $labels }} {{ index $labels `job` }} {{ index $labels `no` }}.",
            "3 2 node .",
        ),
        ("{{ slice `abcdef` 1 3 }}{{ slice `abc` 2 }}", "bcc"),
        ("{{ print 1 2 `a` `b` 3 }}|{{ println 1 `x` }}|", "1 2ab3|1 x\n|"),
        ("{{ 007 }} {{ 0x10 }} {{ 1_000 }} {{ 1e3 }} {{ 'a' }} {{ 0b11 }}", "7 16 1000 1000 97 3"),
        ('{{ html `<a>&\'` }}{{ html "\\"" }}', "&lt;a&gt;&amp;&#39;&#34;"),
        ("{{ js `a<b>&='\n` }}", "a\\u003Cb\\u003E\\u0026\\u003D\\'\\u000A"),
        ('{{ urlquery "a b/?&~" }}', "a+b%2F%3F%26~"),
        ('{{ query "up" | first | value }}', "1"),
        ('{{ query "up" | first | label "job" }} {{ query "up" | first | strvalue }}.', "b ."),
        ('{{ with query "up" }}{{ . | first | value | humanizePercentage }}{{ end }}', "100%"),
        ('{{ range query "up" | sortByLabel "job" }}{{ .Labels.job }}:{{ .Value }} {{ end }}', "a:0 b:1 "),
        ('{{ (query "up" | first).Labels.job }} {{ len (query "up") }}', "b 2"),
        ('{{ first (query "up") }} {{ (index (query "up") 1).Value }}', "{map[job:b] 1} 0"),
        ('{{ match "a.*" "cab" }} {{ match "^a" "ba" }} {{ match "a.b" "a\\nb" }}', "true false false"),
        ('{{ reReplaceAll "(.*):.*" "$1" $labels.instance }}', "web1"),
        ('{{ reReplaceAll "(a)b" "x$1" "ab" }}', "xa"),
        ('{{ parseDuration "1h30m" }} {{ toTime 90061 }}', "5400 1970-01-02 01:01:01 +0000 UTC"),
        (
            '{{ (1435065584.128 | toTime).Format "Mon Jan _2 15:04:05.000 2006 MST" }}',
            "Tue Jun 23 13:19:44.128 2015 UTC",
        ),
        (
            '{{ (toTime 0).Format "2006-01-02T15:04:05Z07:00 3:04PM Monday January 002" }}',
            "1970-01-01T00:00:00Z 12:00AM Thursday January 001",
        ),
        (
            "{{ (toTime 90061.5).Year }} {{ (toTime 90061.5).Unix }} {{ (toTime 1).UnixMilli }}",
            "1970 90061 1000",
        ),
        ('{{ graphLink "up == 0" }}', "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"),
        ('{{ tableLink "up" }} {{ "<b>" | safeHtml }}', "/graph?g0.expr=up&g0.tab=1 <b>"),
        ('{{ args 1 "2" }}', "map[arg0:1 arg1:2]"),
        (
            '{{ define "x" }}<{{ .arg0 }} {{ .arg9 }}>{{ end }}{{ template "x" (args 1 "2") }}',
            "<1 <no value>>",
        ),
        ('{{ block "x" $value }}[{{ . }}]{{ end }}', "[3]"),
        ('{{ define "y" }}{{ $ }}{{ end }}{{ template "y" }}.', "<no value>."),
    ],
)
def test_a_template_prints_what_go_prints(text: str, printed: str) -> None:
    assert shown(text, instance="web1:9100", job="node") == printed


@pytest.mark.parametrize(
    ("text", "offset", "sentence"),
    [
        ("ab {{ $value", 3, "do not close"),
        ("{{ }}", 0, "a value is missing"),
        ("{{ $value | }}", 11, "a value is missing"),
        ("{{ $value | humanise }}", 12, "no function 'humanise'"),
        ("{{ humanize }}", 3, "takes 1 arguments, got 0"),
        ("{{ humanize 1 2 }}", 3, "takes 1 arguments, got 2"),
        ("{{ range $labels }}x", 0, "this range has no end"),
        ("{{ $x }}", 3, "there is no variable $x"),
        ("{{ $x = 1 }}", 3, "there is no variable $x"),
        ("{{ $value = 1 }}", 3, "$value cannot be changed"),
        ("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}", 38, "there is no variable $x"),
        ("{{ $a, $b := $labels }}", 3, "too many names"),
        ("{{ .Nothing }}", 3, "an alert has no part 'Nothing'"),
        ("{{ $.Nothing }}", 3, "an alert has no part 'Nothing'"),
        ("{{ ${nope} }}", 4, "'{' may not stand here"),
        ("{{ range $labels }}{{ $.Value.x }}{{ end }}", 22, "has no part 'x'"),
        ('{{ tmpl "x" . }}', 3, "rule files know no tmpl"),
        ("{{ call $value }}", 3, "nothing here that call"),
        ("{{ nil }}", 3, "'nil' may not stand here"),
        ("{{ and }}", 3, "and takes 1 or more arguments"),
        ("{{ break }}", 0, "break stands outside a range"),
        ('{{ template "x" }}', 0, "no template 'x' is defined"),
        ("{{ template }}", 0, "template needs a name in quotes"),
        ('{{ define "x" }}{{ $value }}{{ end }}', 19, "there is no variable $value"),
        ('{{ define "x" }}{{ else }}{{ end }}', 16, "this else belongs to no define"),
        ("{{ if 1 }}{{ else with 1 }}{{ end }}", 18, "'with' may not follow else"),
        ("{{ range $labels }}{{ else range $labels }}{{ end }}", 27, "'range' may not follow else"),
        ("{{ $labels.a.b }}", 3, "no part 'b'"),
        ("{{ $value.x }}", 3, "no part 'x'"),
        ("{{ if $value }}x", 0, "has no end"),
        ("x{{ end }}", 1, "belongs to no if"),
        ("{{ else }}", 0, "belongs to no if"),
        ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", 20, "belongs to no if"),
        ("{{ if 1 }}{{ end of }}", 17, "nothing may follow end"),
        ('{{ printf "%y" 1 }}', 3, "does not know this verb"),
        ('{{ printf "%9999d" 1 }}', 3, "pads too far"),
        ('{{ "a }}', 3, "quote does not close"),
        ('{{ "\\d" }}', 3, "escapes wrongly"),
        ("{{ (humanize 1 }}", 3, "parenthesis does not close"),
        ("{{ humanize 1) }}", 13, "may not stand here"),
        ("{{ 1 2 }}", 3, "is no function"),
        ("{{ 1 | 2 }}", 7, "only a function can follow"),
        ("{{ # }}", 3, "'#' may not stand here"),
        ("{{ 08 }}", 3, "cannot be read"),
        ("{{ 99999999999999999999 }}", 3, "cannot be read"),
        ("{{ 1e999 }}", 3, "cannot be read"),
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
        ('{{ query "none" | first }}', "first() called on vector with no elements"),
        ('{{ query "broken(" }}', "the query is broken"),
        ('{{ query "up" }}', "cannot be printed as a whole"),
        ('{{ (query "none").banana }}', "template.queryResult has no part 'banana'"),
        ('{{ value "x" }}', 'expected a sample, got the string "x"'),
        ('{{ sortByLabel "a" 1 }}', "expected the result of query, got the int 1"),
        ("{{ gt $value 1 }}", "incompatible types for comparison"),
        ("{{ eq $labels 1 }}", "cannot be compared"),
        ("{{ lt true false }}", "truths have no order"),
        ("{{ len 5 }}", "the int 5 has no length"),
        ('{{ index (query "up") 7 }}', "index out of range: 7"),
        ("{{ index $value 1 }}", "cannot look into the float64 3"),
        ("{{ range $value }}{{ end }}", "range cannot go over the float64 3"),
        ("{{ range 999999999 }}x{{ end }}", "more than 65536 bytes"),
        ("{{ range 999999999 }}{{ $x := 1 }}{{ end }}", "more than 100000 steps"),
        ('{{ define "x" }}{{ template "x" }}{{ end }}{{ template "x" }}', "more than 32 deep"),
        ('{{ (toTime 0).Add "1h" }}', "a time has no method Add"),
        ("{{ toTime `x` }}", 'expected a number, got the string "x"'),
        ('{{ toTime "NaN" }}', "NaN or Inf"),
        ('{{ match "(" "a" }}', "is not a regular expression"),
        ("{{ match `(a+)+\\1` `a` }}", "not RE2"),
        ('{{ parseDuration "-1m" }}', "is not a duration"),
        ("{{ slice `abc` 2 9 }}", "reaches beyond the text"),
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
        assert isinstance(template.render(View(Labels.of({"s": label}), value)), str)
    assert 0 <= place <= len(text)
