from __future__ import annotations

import contextlib
import html.parser
import io
import json
import math
import subprocess
import time
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.backtest.progress import Progress
from agent.backtest.report import lead, share
from agent.cli import EX_CONFIG, EX_FAILED, EX_OK, main
from model.labels import Labels
from model.sample import Metric
from rules.store.log import StoreLog
from rules.store.store import Store
from tests.e2e.ports import Port

SUCCESS = Metric("probe_success", "Whether it answered.", labels=("service",))
UP = Metric("up", "Whether it was seen.")
TARGET = Labels.of(job="http", instance="web1", region="eu")
STEP_MS = 15_000
ROWS = 480  # two hours
DOWN = range(100, 140)  # ten minutes

RULES = """
groups:
- name: shop
  interval: 15s
  rules:
  - alert: ShopDown
    expr: probe_success{service="shop"} == 0
    for: 1m
    labels: {severity: critical, service: shop, impact: major}
  - alert: Never
    expr: probe_success > 1
"""
PLAYBOOK = """
playbook: restart-shop
summary: Start the shop again.
on: ['alertname="ShopDown"']
mode: {mode}
steps:
- command: {{argv: [/bin/true]}}
verify: {{within: 60s, hold: 20s}}
"""
CATALOGUE = """
services:
- {service: shop, stage: live, shows: ['service="shop"']}
customers:
- customer: acme
  uses: [shop]
  people: [{name: Ada, email: ada@acme.example}, {name: Ben, email: ben@acme.example}]
- {customer: birch, people: [{name: Cleo, email: cleo@birch.example}]}
"""
DESK = "name: Shop\nurl: http://127.0.0.1:9467\ncatalogue: [catalogue.yaml]\n"


@dataclass(frozen=True)
class Past:
    """A folder with a configuration and two hours of samples, ten minutes of them bad."""

    folder: Path
    start_ms: int

    def at(self, row: int) -> int:
        return self.start_ms + row * STEP_MS

    def run(self, *words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        argv = ["backtest", "--config", str(self.folder), "--since", "3h", *words]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(argv)
        return code, out.getvalue(), err.getvalue()

    def told(self, *words: str) -> Any:
        code, out, err = self.run("--json", *words)
        assert code == EX_OK, err
        return json.loads(out)

    def rule(self, name: str, *words: str) -> Any:
        return next(rule for rule in self.told(*words)["rules"] if rule["alert"] == name)

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o644)
        return str(path)

    def values(self) -> Iterator[tuple[int, float]]:
        for row in range(ROWS):
            yield self.at(row), float(row not in DOWN)


@pytest.fixture
def past(tmp_path: Path) -> Past:
    now_ms = int(time.time() * 1000) // STEP_MS * STEP_MS
    found = Past(tmp_path, now_ms - ROWS * STEP_MS)
    found.write(
        "agent.yaml",
        "listen: 127.0.0.1:0\nrules: [./rules.yml]\nplaybooks: [./play.yml]\nprobes: [cpu: {}]\n",
    )
    found.write("rules.yml", RULES)
    found.write("play.yml", PLAYBOOK.format(mode="auto"))
    found.write("desk.yaml", DESK)
    found.write("catalogue.yaml", CATALOGUE)
    log = StoreLog(tmp_path / "state" / "samples", 1 << 30)
    store = Store(3_600_000, 100, log.record)
    for at_ms, value in found.values():
        store.write(TARGET, at_ms, (SUCCESS(value, service="shop"), UP(1.0)))
    log.close()
    return found


def own(past: Past) -> tuple[str, str]:
    return "--state", str(past.folder / "state")


def openmetrics(past: Past) -> str:
    lines = ["# TYPE probe_success gauge"]
    series = 'probe_success{instance="web1",job="http",region="eu",service="shop"}'
    lines += [f"{series} {value} {at_ms / 1000}" for at_ms, value in past.values()]
    lines += [f'up{{instance="web1",job="http"}} 1 {at_ms / 1000}' for at_ms, _ in past.values()]
    return "\n".join([*lines, "# EOF"]) + "\n"


def test_the_agents_own_samples_are_judged(past: Past) -> None:
    down = past.rule("ShopDown", *own(past))
    assert (down["episodes"], down["flaps"], down["failures"]) == (1, 0, 0)
    assert down["median_s"] == pytest.approx(540, abs=31)
    assert down["firing_share"] == pytest.approx(540 / 7200, abs=0.01)
    assert past.rule("Never", *own(past))["episodes"] == 0


def test_the_table_names_who_fired_and_counts_the_rest(past: Past) -> None:
    code, out, _ = past.run(*own(past))
    assert code == EX_OK
    assert 'ShopDown{impact="major", service="shop", severity="critical"}' in out
    assert "restart-shop run 1x" in out
    assert "1 of 2 alerting rules fired, 1 time in" in out


def test_nothing_of_the_state_directory_is_touched(past: Past) -> None:
    (segment,) = (past.folder / "state" / "samples").iterdir()
    segment.write_bytes(segment.read_bytes() + b"torn")
    before = segment.read_bytes()
    assert past.rule("ShopDown", *own(past))["episodes"] == 1
    assert segment.read_bytes() == before


@pytest.mark.parametrize("milliseconds", [False, True])
def test_a_text_file_gives_the_same_as_the_log(past: Past, milliseconds: bool) -> None:
    text = openmetrics(past)
    if milliseconds:
        moments = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        text = "".join(f"{before} {round(float(at_s) * 1000)}\n" for before, _, at_s in moments)
    file = past.write("dump.om", text)
    down, same = past.rule("ShopDown", "--file", file), past.rule("ShopDown", *own(past))
    assert [one["fired"] for one in down["each"]] == [one["fired"] for one in same["each"]]
    assert [one["ended"] for one in down["each"]] == [one["ended"] for one in same["each"]]


def test_a_nan_in_a_dump_ends_its_series(past: Past) -> None:
    rules = past.write(
        "gone.yml", "groups:\n- name: g\n  rules:\n  - alert: Gone\n    expr: absent(probe_success)\n"
    )
    lines = [f"probe_success {'NaN' if row == 10 else 1} {past.at(row) / 1000}" for row in range(11)]
    lines += [f"other 1 {past.at(row) / 1000}" for row in range(40)]
    file = past.write("dump.om", "\n".join([*lines, "# EOF", ""]))
    gone = past.rule("Gone", "--rules", rules, "--file", file)
    assert [one["fired"] for one in gone["each"]] != []
    fired_s = past.at(10) / 1000
    assert gone["each"][0]["ended"] is None
    assert gone["firing_share"] > 0, fired_s


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("probe_success{ 1 2", "this is no sample"),
        ("probe_success 1", "the sample has no time"),
        ("probe_success one 2", "value and time must be numbers"),
        ('probe_success{a="b",a="c"} 1 2', ""),
        ('probe_success{a="b" 1 2', "this is no sample"),
        ("x" * 70_000 + " 1 2", "this is no sample"),
    ],
)
def test_a_mistake_in_a_dump_is_named_with_its_line(past: Past, line: str, sentence: str) -> None:
    file = past.write("dump.om", f"# HELP x y\n{line}\n# EOF\n")
    code, _, err = past.run("--file", file)
    assert code in (EX_CONFIG, EX_FAILED)
    assert sentence in err
    if sentence:
        assert f"{file}:2:1: " in err


def test_a_binary_file_is_no_dump(past: Past) -> None:
    path = past.folder / "dump.om"
    path.write_bytes(b"up 1 2\n\xff\xfe\n")
    code, _, err = past.run("--file", str(path))
    assert code == EX_CONFIG
    assert "not UTF-8" in err


def test_a_time_without_samples_is_said_to_be_empty(past: Past) -> None:
    code, _, err = past.run("--state", str(past.folder))
    assert code == EX_FAILED
    assert "there are no samples" in err


def test_a_mistake_in_the_rules_is_refused(past: Past) -> None:
    rules = past.write("bad.yml", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: 'up =='\n")
    code, _, err = past.run("--rules", rules, *own(past))
    assert code == EX_CONFIG
    assert f"{rules}:5:" in err


@pytest.mark.parametrize(
    ("mode", "what"), [("auto", "run"), ("propose", "proposed"), ("observe", "proposed")]
)
def test_a_playbook_would_have_done_what_its_mode_says(past: Past, mode: str, what: str) -> None:
    past.write("play.yml", PLAYBOOK.format(mode=mode))
    assert past.rule("ShopDown", *own(past))["playbooks"][what] == {"restart-shop": 1}


def test_the_budget_of_a_playbook_holds_in_a_rehearsal_too(past: Past) -> None:
    rules = past.write(
        "flappy.yml",
        "groups:\n- name: g\n  interval: 15s\n  rules:\n  - alert: ShopDown\n"
        "    expr: vector(time() % 300 < bool 60) == 1\n",
    )
    done = past.rule("ShopDown", "--rules", rules, *own(past))
    assert done["episodes"] >= 20
    assert done["flaps"] >= 19
    # Ten minutes of cooldown, and three runs in an hour.
    assert done["playbooks"]["run"]["restart-shop"] <= 7
    assert done["playbooks"]["refused"]["restart-shop"] >= 13


def test_a_freeze_keeps_a_playbook_from_running(past: Past) -> None:
    past.write(
        "agent.yaml",
        "listen: 127.0.0.1:0\nrules: [./rules.yml]\nplaybooks: [./play.yml]\nprobes: [cpu: {}]\n"
        "freezes: [{freeze: always, from: '0 0 * * *', for: 1d}]\n",
    )
    down = past.rule("ShopDown", *own(past))
    assert down["playbooks"] == {"run": {}, "proposed": {}, "refused": {"restart-shop": 1}}
    assert "frozen" in down["each"][0]["remedy"]["reason"]


def test_people_are_counted_by_the_catalogue(past: Past) -> None:
    down = past.rule("ShopDown", "--desk", str(past.folder / "desk.yaml"), *own(past))
    assert (down["people"], down["tellings"]) == (2, 1)
    _, out, _ = past.run("--desk", str(past.folder / "desk.yaml"), *own(past))
    assert "2 people would have been told of 1 of these." in out


def test_what_is_over_within_the_hold_tells_nobody(past: Past) -> None:
    past.write("desk.yaml", DESK + "hold: 15m\n")
    past.write("rules.yml", RULES.replace("impact: major", "impact: degraded"))
    down = past.rule("ShopDown", "--desk", str(past.folder / "desk.yaml"), *own(past))
    assert (down["people"], down["tellings"]) == (0, 0)
    (reason,) = down["untold"]
    assert "over within the hold of 15m" in reason


def test_a_catalogue_with_mistakes_is_refused(past: Past) -> None:
    past.write("catalogue.yaml", "services: [{service: shop, stge: live}]")
    code, _, err = past.run("--desk", str(past.folder / "desk.yaml"), *own(past))
    assert code == EX_CONFIG
    assert "stge" in err


def moment(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))


def test_known_incidents_give_precision_recall_and_lead(past: Past) -> None:
    known = past.write(
        "known.csv",
        "start,end,alerts\n"
        f"{moment(past.at(110))},{moment(past.at(150))},ShopDown\n"
        f"{moment(past.at(400))},{moment(past.at(410))},\n",
    )
    told = past.told("--expect", known, *own(past))["expected"]
    assert (told["precision"], told["recall"]) == (1.0, 0.5)
    # It fired a minute after row 100; the incident is said to have begun at row 110.
    assert told["lead_s"] == pytest.approx(75, abs=16)
    assert [one["start"][:16] for one in told["missed"]] == [moment(past.at(400))[:16]]
    _, out, _ = past.run("--expect", known, *own(past))
    assert (
        "1 of 2 incidents found (recall 50.00%); precision 100%; the first alert of an incident fired 1m"
        in out
    )


def test_an_incident_outside_of_the_recorded_time_is_not_missed(past: Past) -> None:
    known = past.write("known.csv", f"0,60\n{moment(past.at(110))},{moment(past.at(150))}\n")
    told = past.told("--expect", known, *own(past))
    assert told["expected"]["recall"] == 1.0
    assert told["notes"] == ["Outside of this time: 1 known incident."]


def test_a_comparison_names_what_a_new_rule_gains_and_loses(past: Past) -> None:
    old = past.write("old.yml", RULES)
    new = past.write(
        "new.yml", RULES.replace("for: 1m", "for: 30m").replace("probe_success > 1", "probe_success < 1")
    )
    found = {
        one["rule"].partition("{")[0]: one for one in past.told("--diff", old, new, *own(past))["differences"]
    }
    assert (found["ShopDown"]["change"], len(found["ShopDown"]["lost"])) == ("changed", 1)
    assert (found["Never"]["old"], found["Never"]["new"], len(found["Never"]["gained"])) == (0, 1, 1)
    _, out, _ = past.run("--diff", old, new, *own(past))
    assert "1 -> 0" in out
    _, out, _ = past.run("--diff", old, old, *own(past))
    assert out.startswith("Both would have done the same.")


class Elements(html.parser.HTMLParser):
    """Counts the elements of a page and checks that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "rect", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag == "rect":
            return
        assert self.open.pop() == tag


def test_the_page_draws_each_timeline_and_loads_nothing(past: Past) -> None:
    known = past.write("known.csv", f"{moment(past.at(110))},{moment(past.at(150))}\n")
    file = past.folder / "page.html"
    code, _, err = past.run("--html", str(file), "--expect", known, *own(past))
    assert code == EX_OK, err
    text = file.read_text()
    seen = Elements()
    seen.feed(text)
    assert seen.open == []
    assert "script" not in seen.found
    assert not any(name in ("href", "src") or name.startswith("on") for name, _ in seen.attributes)
    svgs = [
        ET.fromstring(part.partition("</svg>")[0].join(("<svg", "</svg>"))) for part in text.split("<svg")[1:]
    ]
    (timeline,) = [svg for svg in svgs if svg.get("role") == "img"]
    assert "ShopDown" in (timeline.get("aria-label") or "")
    assert [rect.get("class") for rect in timeline.iter("rect")] == ["calm", "known", "fire"]


def test_what_a_label_says_cannot_leave_its_place_in_the_page(past: Past) -> None:
    evil = '</title><script>alert("1")</script>'
    log = StoreLog(past.folder / "evil" / "samples", 1 << 30)
    store = Store(3_600_000, 100, log.record)
    for at_ms, value in past.values():
        store.write(TARGET.having({"instance": evil}), at_ms, (SUCCESS(value, service="shop"),))
    log.close()
    file = past.folder / "page.html"
    code, _, err = past.run("--html", str(file), "--state", str(past.folder / "evil"))
    assert code == EX_OK, err
    assert "<script>" not in file.read_text()
    assert "&lt;script&gt;" in file.read_text()


def test_a_bar_is_drawn_on_a_terminal_only() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    times = iter(range(10))
    out = Terminal()
    bar = Progress(out, 0, 100, lambda: float(next(times)))
    bar.at(50)
    assert out.getvalue() == ""  # the first tenth of a second shows nothing
    bar.at(50)
    assert " 50%" in out.getvalue()
    bar.done()
    assert out.getvalue().endswith("\r\x1b[K")
    silent = io.StringIO()
    bar = Progress(silent, 0, 100, lambda: 99.0)
    bar.at(50)
    bar.done()
    assert silent.getvalue() == ""


@pytest.fixture
def prometheus(past: Past) -> Iterator[str]:
    """A Prometheus server that holds the same samples."""
    file = past.write("dump.om", openmetrics(past))
    data = past.folder / "tsdb"
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", file, str(data)],
        check=True,
        capture_output=True,
    )
    past.write("prometheus.yml", "global: {}\n")
    with contextlib.closing(Port.free()) as port:
        argv = [
            "prometheus",
            f"--config.file={past.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={data}",
        ]
        server = subprocess.Popen(
            [*argv, f"--web.listen-address={port}", "--storage.tsdb.retention.time=30d"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait(lambda: ready(f"http://{port}"), server)
            yield f"http://{port}"
        finally:
            server.terminate()
            server.wait(10)


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait(done: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    until_s = time.monotonic() + 30
    while not done():
        assert server.poll() is None, "it ended"
        assert time.monotonic() < until_s, "it does not answer"
        time.sleep(0.1)


@pytest.mark.needs("prometheus")
@pytest.mark.needs("promtool")
def test_a_prometheus_server_gives_the_same_as_the_log(past: Past, prometheus: str) -> None:
    theirs, ours = past.rule("ShopDown", "--prometheus", prometheus), past.rule("ShopDown", *own(past))
    assert theirs["episodes"] == ours["episodes"] == 1
    assert theirs["median_s"] == pytest.approx(ours["median_s"], abs=31)
    rules = past.write("odd.yml", RULES.replace('{service="shop"}', '{service=~"sh.*", job!="x"}'))
    assert past.rule("ShopDown", "--rules", rules, "--prometheus", prometheus)["episodes"] == 1


def test_a_server_that_does_not_answer_is_a_fact(past: Past) -> None:
    with contextlib.closing(Port.free()) as port:  # bound, and nobody listens
        code, _, err = past.run("--prometheus", f"http://{port}")
    assert code == EX_FAILED
    assert "cannot be asked" in err


def test_lengths_and_shares_are_never_rounded_to_nothing() -> None:
    assert [share(part) for part in (0.0, 0.00001, 0.5, 0.99999, 1.0)] == [
        "0.00%",
        "<0.01%",
        "50.00%",
        "99.99%",
        "100%",
    ]
    assert (lead(75_000), lead(-30_000), lead(None)) == ("+1m15s", "-30s", "")
    assert math.isclose(float(share(0.1234)[:-1]), 12.34)
