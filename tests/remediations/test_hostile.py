"""What labels, log lines and programs say changes no step, and cannot break out of what people read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.api.exposition import exposition
from agent.desks.wire import Posting
from agent.explain import explain
from agent.explain.healing import EVIDENCE_CHARACTERS_MAX, Healing, Story
from agent.explain.text import text as explained
from agent.sight.remarks import REMARK_BYTES_MAX, Remarks
from model.alert import Alert, AlertState
from model.labels import Labels
from model.outcome import Outcome, Remedy
from model.plugin import Deadline, Remark
from model.sample import LABEL_BYTES_MAX, Metric
from model.step import Host, Result, Step
from remediations.apart.packing import pack
from remediations.hand import Hand
from remediations.healer import Healer
from remediations.question import Facts
from remediations.running.journal import Journal, StepRecord
from remediations.running.run import REASON_CHARACTERS_MAX, Run
from remediations.surroundings import Surroundings
from remediations.writing.playbook import Playbook
from rules.backtest import Standing
from rules.file import AlertingRule, load_rules
from rules.judge import Judge
from rules.store.store import Store
from tests.remediations import hostile
from tests.remediations.stage import NOW_MS, playbook
from tests.remediations.worlds.agenda import Agenda
from tests.remediations.worlds.hands import SimulatedCrew

SEEN = Metric("shop_up", "Whether the shop answers.", labels=("path", "message", "unit", "url"))
TARGET = Labels.of(job="http", instance="web1")
SYSTEMD = Host(has_systemd=True)
RULES = load_rules(
    b"""\
groups:
- name: g
  rules:
  - alert: ShopDown
    expr: shop_up == 0
    labels: {service: shop, copy: '{{ $labels.path }}'}
    annotations: {summary: '{{ $labels.path }} of {{ $labels.instance }} says {{ $labels.message }}'}
""",
    "r.yml",
)
DEEDS = """\
- collect: [top, journal]
- notify: {text: 'at {{ labels.path }} of {{ labels.unit }}: {{ labels.message }} ({{ alert.name }})'}
- name: look
  command: {argv: [look, --quiet]}
  register: look
  failed_when: look.stdout == 'open sesame'
- assert:
    that: ["labels.path != 'open sesame'", "'open sesame' not in look.stdout", look.rc == 0]
    fail_msg: '{{ labels.path }} and {{ look.stdout }}'
- command: {argv: [act, '{{ item }}']}
  loop: [one, two]
  when: labels.message != 'open sesame' and not labels.unit == 'x y'
- service: {name: shop, state: restarted}
  when: labels.url is defined and look is changed
- http: {url: 'http://127.0.0.1:8080/purge', method: POST}
- file: {path: /etc/shop/app.conf, content: a}
- line: {path: /etc/shop/app.conf, line: max=2}
- process_signal: {match: {exe: /usr/bin/shop}}
- remove_old: {roots: [/srv/shop/uploads], patterns: ['*.tmp'], age: 2d}
- block:
  - command: {argv: [fails]}
  rescue:
  - command: {argv: [mend]}
    when: failed_result.rc == 1 and failed_result.stdout != 'open sesame'
- notify: {text: 'it said {{ look.stdout }}'}
- escalate: {reason: '{{ look.stdout }} at {{ labels.path }}'}
"""
REAL = """\
- command: {{argv: [{folder}/did, first]}}
  register: look
- command: {{argv: [{folder}/did, '{{{{ item }}}}']}}
  loop: [one, two]
  when: labels.path != 'open sesame' and look.stdout != 'open sesame'
- file: {{path: {folder}/app.conf, content: new}}
- notify: {{text: '{{{{ labels.path }}}} said {{{{ look.stdout }}}}'}}
"""
PARTS = 8
GUARD = "{approval: {by: 0, because: a test}}"


@dataclass
class Recorder:
    """Takes no step, remembers each as bytes, and says what it was told to say."""

    says: str
    steps: list[bytes] = field(default_factory=list)

    def of(self, _playbook: str, _grants: object = ()) -> Recorder:
        return self

    def carry_out(
        self, step: Step, stopped: Callable[[], str], run: str = "", *, check: bool = False
    ) -> Result:
        assert not check
        self.steps.append(pack(step))
        if not run:
            return Result(ok=True, output="LoadState=loaded\nActiveState=failed\n", rc=0)
        fails = b'"fails"' in self.steps[-1]
        return Result(
            ok=not fails, reason=self.says if fails else "", output=self.says, rc=int(fails), changed=True
        )


@dataclass(frozen=True)
class Seen:
    """What came of one alert: the alert, its remedy, and what the journal says."""

    alert: Alert
    remedy: Remedy
    run: Run
    records: tuple[StepRecord, ...]
    judge: Judge
    store: Store


def alert_of(text: str) -> tuple[Alert, Judge, Store]:
    """Let a probe see the text in every label, and the rules make an alert of it."""
    store = Store(3_600_000, 100)
    judge = Judge([RULES], store, 15_000, lambda: 0.0)
    store.write(TARGET, NOW_MS, (SEEN(0, path=text, message=text, unit=text, url=text),))
    judge.judge_metrics(frozenset({"shop_up"}), NOW_MS)
    [alert] = judge.alerts()
    assert alert.state is AlertState.FIRING
    return alert, judge, store


def healed(text: str, book: Playbook, hands: Recorder | Hand) -> Seen:
    """Let the healer act on the alert that a text makes, and see that it helped."""
    alert, judge, store = alert_of(text)
    agenda = Agenda(NOW_MS)
    around = Surroundings(
        judge_effect=lambda *_: True,
        ask_fresh=lambda *_: None,
        on_change=lambda: None,
        wake=lambda: None,
        stopped=lambda: "",
        now=lambda: agenda.now_ms,
        host=SYSTEMD,
    )
    with closing(Journal(Path(":memory:"))) as journal:
        healer = Healer((book,), journal, hands, around, SimulatedCrew(agenda))
        healer.consider(alert, agenda.now_ms)
        for _ in range(200):
            agenda.go_to(agenda.now_ms + 250)
            healer.tick(agenda.now_ms)
            if healer.remedy(alert.labels).status is Outcome.FIXED:
                break
        remedy = healer.remedy(alert.labels)
        [run] = journal.recent(0)
        return Seen(alert, remedy, run, journal.steps(run.id), judge, store)


@pytest.fixture(autouse=True)
def read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes longest, to seal a playbook for each of two thousand healers, is left out."""
    monkeypatch.setattr("remediations.ladder.rungs.edition", lambda _book, _host: "the same")


@pytest.fixture(scope="module")
def texts() -> tuple[str, ...]:
    found = hostile.texts()
    assert len(set(found)) == hostile.COUNT == 2000
    return found


def packed(text: str, book: Playbook) -> tuple[list[bytes], Seen]:
    recorder = Recorder(text)
    return recorder.steps, healed(text, book, recorder)


@pytest.mark.parametrize("part", range(PARTS))
def test_no_text_in_a_label_or_an_output_changes_a_step_by_a_byte(texts: tuple[str, ...], part: int) -> None:
    book = playbook(DEEDS, guard=GUARD)
    plain, seen = packed(hostile.HARMLESS, book)
    planned = {pack(one.step) for one in book.plan(SYSTEMD)}
    assert len(plain) >= 15
    assert planned <= set(plain), "the plain alert takes every step, so that one left out would be seen"
    assert seen.remedy.status is Outcome.FIXED
    for text in texts[part::PARTS]:
        steps, seen = packed(text, book)
        assert steps == plain, repr(text[:100])
        _is_shown_safely(seen, text, book)


def _is_shown_safely(seen: Seen, text: str, book: Playbook) -> None:
    """What people are shown of it is bounded, on its line, and moves no cursor."""
    reason = seen.remedy.reason
    assert seen.remedy.status is Outcome.FIXED, reason
    assert len(reason) <= REASON_CHARACTERS_MAX
    assert not _moves(reason), repr(reason)
    # Every step in the journal is one that was written in the playbook.
    known = {str(one.step) for one in book.plan(SYSTEMD)}
    assert {record.step for record in seen.records} <= known
    assert seen.run.playbook == "heal-shop"
    body = Posting(seen.alert, seen.remedy, {"region": "eu"}, 60_000, _marks(seen, text)).body(NOW_MS)
    told = json.loads(json.dumps(body).encode("utf-8"))
    assert told == body
    assert all(len(value) <= LABEL_BYTES_MAX for value in told["labels"].values())
    summary = told["annotations"]["summary"]
    assert summary == f"{seen.alert.labels.get('path')} of web1 says {seen.alert.labels.get('message')}"
    assert set(told["annotations"]) <= {"summary", "beforehand_excerpt", *seen.remedy.annotations()}


def _marks(seen: Seen, text: str) -> dict[str, str]:
    remarks = Remarks()
    remarks.hear(TARGET, [Remark(Labels.of(), text)])
    shown = remarks.about(seen.alert.labels)
    assert len(shown) <= REMARK_BYTES_MAX + len("\n[cut]")
    assert not _moves(shown.replace("\n", "").replace("\t", "")), repr(shown[:100])
    return {"beforehand_excerpt": shown}


def _moves(text: str) -> bool:
    """Tell whether a text holds what moves a cursor, or turns the order of what is read."""
    return any(not c.isprintable() and c != "\N{NO-BREAK SPACE}" for c in text)


def test_a_real_hand_takes_the_same_steps_whatever_the_label_says(
    tmp_path: Path, texts: tuple[str, ...]
) -> None:
    program = tmp_path / "did"
    program.write_text(f'#!/bin/sh\nprintf "%s|" "$#" "$@" >>{tmp_path}/words\ncat {tmp_path}/says\n')
    program.chmod(0o755)
    book = playbook(REAL.format(folder=tmp_path), guard=GUARD)
    for text in (hostile.HARMLESS, *texts[::40]):
        (tmp_path / "says").write_bytes(text.encode(errors="replace"))
        for name in ("words", "app.conf"):
            (tmp_path / name).unlink(missing_ok=True)
        with closing(Hand(time.monotonic, lambda: NOW_MS, tmp_path / "undo")) as hand:
            seen = healed(text, book, hand)
        assert seen.remedy.status is Outcome.FIXED, (text[:100], seen.remedy.reason)
        assert (tmp_path / "words").read_text() == "1|first|1|one|1|two|", repr(text[:100])
        assert (tmp_path / "app.conf").read_text() == "new"
        assert {one.name for one in tmp_path.iterdir()} == {"did", "says", "words", "app.conf", "undo"}
        assert not _moves(seen.remedy.reason)


def test_metrics_that_carry_them_are_read_back_as_they_were(texts: tuple[str, ...]) -> None:
    samples = [SEEN(number, path=text, message="", unit="", url="") for number, text in enumerate(texts)]
    page = exposition([(one.labels, one.value) for one in samples], [SEEN], process=False).decode()
    families = list(text_string_to_metric_families(page))
    assert [family.name for family in families] == ["shop_up"]
    found = {one.value: one.labels["path"] for one in families[0].samples}
    assert len(found) == len(texts)
    assert all(found[one.value] == one.labels.get("path") for one in samples)


def test_an_explanation_keeps_them_on_their_lines(texts: tuple[str, ...]) -> None:
    book = playbook(DEEDS, guard=GUARD)
    lines = None
    for text in (hostile.HARMLESS, *texts[::25]):
        shown = explained(_explanation(packed(text, book)[1], book)).splitlines()
        assert all(line.isprintable() for line in shown), repr(text[:100])
        assert max(map(len, shown)) <= EVIDENCE_CHARACTERS_MAX + 100
        lines = lines or len(shown)
        assert len(shown) <= 2 * lines, repr(text[:100])


def _explanation(seen: Seen, book: Playbook) -> dict[str, object]:
    [group] = seen.judge.statuses()
    [status] = group.rules
    assert isinstance(status.rule, AlertingRule)
    standing = Standing(
        status.rule,
        group.group,
        group.file,
        group.interval_ms,
        status.alerts,
        "",
        NOW_MS,
        frozenset({"shop_up"}),
    )
    story = Story(seen.run, seen.records)
    told = Healing((book,), lambda _: Facts(), lambda _: [story], lambda _: [], lambda _: seen.remedy)
    scene = explain.Scene(
        NOW_MS, seen.store, (standing,), {}, told, Deadline(1e9, lambda: 0.0), ("ShopDown",)
    )
    return explain.explain(scene, explain.asked("ShopDown"))
