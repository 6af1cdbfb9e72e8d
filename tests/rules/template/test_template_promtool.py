"""What our templates print, promtool prints as well, for values at every turn of a format."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from model.labels import Labels
from rules.promql import compile_query
from rules.store.store import Store
from rules.template.template import Template
from rules.template.value import Found, Setting, View

VALUES = (
    *("0", "0.000123", "0.12345", "59.96", "3725.7", "90061", "1234567", "1e8", "1e-7", "-75", "9e9"),
    *("123456.789", "0.00001", "1024", "1000", "86400.5", "0.99995", "999.96", "9999.5", "60", "3599.9"),
    *("1700000000.25", "NaN", "+Inf"),
)
FORMS = (
    "{{ $value }}",
    "{{ $value | humanize }}",
    "{{ $value | humanize1024 }}",
    "{{ $value | humanizeDuration }}",
    "{{ $value | humanizePercentage }}",
    '{{ $value | printf "%.2f" }}',
    "{{ $value | humanizeTimestamp }}",
    '{{ printf "%q" $labels.host }} {{ title $labels.host }} {{ stripDomain $labels.host }}',
    '{{ printf "%8.3g|%-9s|%+.1e|%d" $value "x" $value $value }}',
    "{{ if $value -}} a {{- else if $labels.host }} b {{ else }}c{{ end }}",
    "{{ $labels }} {{ .Labels.host | stripPort }}",
    "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
    "{{ range $labels }}{{ . }}{{ break }}{{ end }}",
    "{{ with $labels.host }}{{ len . }}{{ $.Value }}{{ else }}-{{ end }}",
    "{{ with $labels.no }}{{ else }}n{{ end }}",
    "{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $x := 3 }}{{ $x }}{{ end }}{{ $x }}",
    "{{ and $value 0 }} {{ or 0 1 }} {{ or `` $value }}",
    "{{ eq $value 60.0 }} {{ lt $value 1.0 }} {{ le $value 1.0 }}",
    "{{ gt $value 1.0 }} {{ ge $value 1.0 }} {{ ge $value $value }}",
    "{{ ne 1 2 }} {{ not $value }} {{ print 1 2 `a` `b` 3.5 $value }} {{ println `a` 1 }}.",
    "{{ len `äb` }} {{ index $labels `host` }} {{ slice `abcdef` 1 3 }}",
    "{{ 007 }} {{ 0x10 }} {{ 1_0 }} {{ 1e3 }} {{ 'a' }}",
    "{{ html `<a>&` }} {{ js `a<b>&=` }} {{ urlquery `a b/?&~` $value }}",
    "{{ graphLink `up == 0` }} {{ tableLink `up` }} {{ safeHtml `<b>` }}",
    "{{ query `sort(m)` | first | value }} {{ query `sort(m)` | first | label `host` }}",
    "{{ range query `m > 60` | sortByLabel `host` }}{{ .Labels.host }}:{{ .Value }} {{ end }}",
    "{{ (query `sort(m)` | first).Value }} {{ query `m` | len }}",
    "{{ with query `none` }}{{ else }}none{{ end }}{{ first (query `sort(m)`) }}",
    "{{ args 1 `2` }} {{ match `a.*` `cab` }} {{ match `a.b` $labels.host }}",
    "{{ reReplaceAll `(.)_(.)` `$2-${1}$$x$1y` $labels.host }} {{ parseDuration `1h30m` }}",
    "{{ toTime 1.5 }} {{ (toTime 90061).Unix }} {{ (toTime 90061).YearDay }}",
    "{{ (toTime 1435065584.128).Format `Mon Jan _2 15:04:05.000 06 MST -07:00 PM 3 002` }}",
    "{{ (toTime 1.5).Month }} {{ (toTime 1.5).Weekday }}",
    "{{ define `x` }}<{{ .arg0 }} {{ .arg9 }}>{{ end }}{{ template `x` (args $value 2) }}",
    "{{ $externalLabels.region }} {{ $externalURL }} {{ . }}",
)


def asked(store: Store, text: str) -> tuple[Found, ...]:
    return tuple(Found(point.labels, point.value) for point in compile_query(text).at(store, 0))


def rules() -> str:
    each = (
        {"alert": f"A{number}", "expr": "m", "annotations": {"t": form}} for number, form in enumerate(FORMS)
    )
    return json.dumps({"groups": [{"name": "g", "rules": list(each)}]})


def suite(hosts: list[str]) -> str:
    """Return a rule test that expects of every form what we print."""
    store = Store(3_600_000, 1000)
    for host, value in zip(hosts, VALUES, strict=True):
        store.append(Labels.of(__name__="m", host=host), 0, float(value))
    setting = Setting({"region": "eu"}, "http://a.example/pfx", lambda text: asked(store, text))
    expected = []
    for number, form in enumerate(FORMS):
        alerts = []
        for host, value in zip(hosts, VALUES, strict=True):
            view = View(Labels.of(__name__="m", host=host), float(value), setting)
            text = Template.parse(form).render(view)
            alerts.append({"exp_labels": {"host": host}, "exp_annotations": {"t": text}})
        expected.append({"eval_time": "0s", "alertname": f"A{number}", "exp_alerts": alerts})
    case = {
        "interval": "1m",
        "external_labels": {"region": "eu"},
        "external_url": "http://a.example/pfx",
        "input_series": [
            {"series": f'm{{host="{host}"}}', "values": value}
            for host, value in zip(hosts, VALUES, strict=True)
        ],
        "alert_rule_test": expected,
    }
    return json.dumps({"rule_files": ["r.yml"], "tests": [case]})


@pytest.mark.needs("promtool")
def test_promtool_prints_the_same(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(rules())
    (tmp_path / "t.yml").write_text(suite([f"a_b-c.d{number}.example:80" for number in range(len(VALUES))]))
    argv = [shutil.which("promtool") or "", "test", "rules", "t.yml"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
