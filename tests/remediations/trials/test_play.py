"""What a test of a playbook can tell of a world, and that the playbook acts in it as it would in earnest."""

from __future__ import annotations

import pytest

from model.outcome import Outcome
from tests.remediations.trials.world import failed, played

BOTH = "commands: [{run: check-shop}, {run: restart-shop}]\n"
GONE = "effect: [{at: 0s, gone: true}]\n"
THERE = "effect: [{at: 0s, gone: false}]\n"


def test_what_helps_is_fixed() -> None:
    expect = "expect: {steps: [run check-shop, run restart-shop], outcome: fixed, escalate: false}"
    assert failed(BOTH + GONE + expect) == []


def test_an_effect_that_does_not_last_is_none() -> None:
    effect = "effect: [{at: 0s, gone: true}, {at: 900ms, gone: false}]\n"
    assert failed(BOTH + effect + "expect: {outcome: ineffective, escalate: true, reason: still there}") == []


def test_an_effect_that_comes_too_late_is_none() -> None:
    effect = "effect: [{at: 0s, gone: false}, {at: 6s, gone: true}]\n"
    assert failed(BOTH + effect + "expect: {outcome: ineffective, reason: still there 5s after}") == []


def test_what_is_not_seen_is_no_effect() -> None:
    assert failed(BOTH + "expect: {outcome: ineffective, reason: could not be seen}") == []
    effect = "effect: [{at: 0s, gone: true}, {at: 500ms}, {at: 1s, gone: true}]\n"
    assert failed(BOTH + effect + "expect: {outcome: fixed}") == []


def test_something_worse_after_it_is_harm() -> None:
    effect = "effect: [{at: 0s, gone: false}, {at: 2s, worse: ShopOnFire}]\n"
    assert (
        failed(BOTH + effect + "expect: {outcome: harmful, reason: ShopOnFire began, escalate: true}") == []
    )


def test_an_exit_code_ends_the_run() -> None:
    text = "commands: [{run: check-shop, rc: 3}]\neffect: [{at: 0s, gone: false}]\n"
    expect = """\
expect:
  steps: [run check-shop]
  skipped: [run restart-shop]
  outcome: failed
  reason: it ended with exit code 3
"""
    assert failed(text + expect) == []


def test_a_program_that_cannot_be_run_tells_why() -> None:
    text = "commands: [{run: check-shop, reason: check-shop is not installed}]\n"
    assert failed(text + THERE + "expect: {outcome: failed, reason: check-shop is not installed}") == []


def test_a_program_that_takes_too_long_is_ended() -> None:
    text = "commands: [{run: check-shop, takes: 11s}]\neffect: [{at: 0s, gone: false}]\n"
    steps = "- command: {argv: [check-shop]}\n  timeout: 10s"
    assert failed(text + "expect: {outcome: failed, reason: did not end within 10s}", steps) == []


def test_the_time_that_steps_take_passes() -> None:
    text = "commands: [{run: check-shop, takes: 20s}, {run: restart-shop, takes: 10s}]\n"
    run = played(text + GONE + "expect: {outcome: fixed}").run
    assert run is not None
    assert (run.done_ms - run.started_ms, run.verified_ms - run.healed_ms) == (30_000, 1_000)


def test_conditions_see_labels_facts_and_what_was_said() -> None:
    steps = """\
- command: {argv: [check-shop]}
  register: checked
- command: {argv: [restart-shop]}
  when: "'stale' in checked.stdout and labels.alertname == 'ShopDown' and not facts.has_systemd"
"""
    commands = "commands: [{run: check-shop, stdout: 'cache: stale'}, {run: restart-shop}]\n"
    bare = "facts: {has_systemd: false}\n"
    both = "expect: {steps: [run check-shop, run restart-shop], outcome: fixed}"
    one = "expect: {steps: [run check-shop], skipped: [run restart-shop]}"
    assert failed(commands + GONE + bare + both, steps) == []
    assert failed(commands + GONE + one, steps) == []


def test_a_command_that_is_tried_again_takes_the_next_answer() -> None:
    steps = "- command: {argv: [check-shop]}\n  retries: 3\n  delay: 10s"
    commands = "commands: [{run: check-shop, rc: 1}, {run: check-shop, rc: 1}, {run: check-shop}]\n"
    expect = "expect: {steps: [run check-shop, run check-shop, run check-shop], outcome: fixed}"
    assert failed(commands + GONE + expect, steps) == []
    run = played(commands + GONE + expect, steps).run
    assert run is not None
    assert run.done_ms - run.started_ms == 20_000
    last_stays = "commands: [{run: check-shop, rc: 1}]\neffect: [{at: 0s, gone: false}]\n"
    expect = (
        "expect: {steps: [run check-shop, run check-shop, run check-shop, run check-shop], outcome: failed}"
    )
    assert failed(last_stays + expect, steps) == []


def test_words_in_quotes_are_one_word_of_a_command() -> None:
    steps = "- command: {argv: [say, 'two words']}"
    assert failed("commands: [{run: say 'two words'}]\n" + GONE + "expect: {outcome: fixed}", steps) == []


def test_steps_that_are_no_program_are_answered_by_their_sentence() -> None:
    steps = "- wait_for: {port: 80}\n- command: {argv: [restart-shop]}"
    deeds = "deeds: [{step: wait until port 80 is there, reason: nobody listens}]\n"
    expect = "expect: {steps: [wait until port 80 is there], outcome: failed, reason: nobody listens}"
    assert failed(deeds + THERE + expect, steps) == []


def test_conditions_see_what_comes_of_a_deed() -> None:
    steps = """\
- wait_for: {port: 80}
  register: waited
- command: {argv: [restart-shop]}
  when: waited.changed and waited.rc == 2 and 'slow' in waited.stdout
"""
    deed = "deeds: [{step: wait until port 80 is there, changed: true, rc: 2, output: slow, takes: 3s}]\n"
    expect = "expect: {steps: [wait until port 80 is there, run restart-shop], outcome: fixed}"
    assert failed("commands: [{run: restart-shop}]\n" + deed + GONE + expect, steps) == []
    assert (
        len(failed("commands: [{run: restart-shop}]\n" + deed.replace("2,", "3,") + GONE + expect, steps))
        == 1
    )


def test_the_kill_switch_ends_a_step_in_its_middle() -> None:
    commands = "commands: [{run: check-shop, stopped: stopped by ada}, {run: restart-shop}]\n"
    expect = "expect: {steps: [run check-shop], skipped: [run restart-shop], outcome: failed, reason: by ada}"
    assert failed(commands + expect) == []


def test_an_alert_that_resolves_before_anything_is_changed_spares_the_host() -> None:
    steps = "- wait_for: {port: 80}\n- command: {argv: [restart-shop]}"
    text = "deeds: [{step: wait until port 80 is there, resolves: true}]\n"
    expect = (
        "expect: {steps: [wait until port 80 is there], outcome: skipped, reason: by itself, escalate: false}"
    )
    assert failed(text + expect, steps) == []


def test_a_question_in_the_middle_is_answered_as_the_test_says() -> None:
    steps = "- approve: {say: go on?}\n- command: {argv: [restart-shop]}"
    text = "commands: [{run: restart-shop}]\n" + GONE
    yes = "host: {approved: true}\nexpect: {steps: [run restart-shop], outcome: fixed}"
    assert failed(text + yes, steps) == []
    assert failed(text + "expect: {steps: [], outcome: failed, reason: which means no}", steps) == []


def test_what_did_not_help_is_undone() -> None:
    steps = "- remove_old: {roots: [/var/tmp/shop], patterns: ['*.log'], age: 1d}"
    deeds = """\
host: {approved: true}
deeds:
- {step: remove what is old in /var/tmp/shop, changed: true}
- {step: put back the files that are held}
"""
    undone = "expect: {outcome: ineffective, undone: [put back the files that are held], reason: was undone}"
    assert failed(deeds + THERE + undone, steps) == []
    assert failed(deeds + GONE + "expect: {outcome: fixed, undone: []}", steps) == []
    assert "- put back the files" in failed(deeds + GONE + undone, steps)[-1]


@pytest.mark.parametrize(
    ("world", "guard", "sentence"),
    [
        ("host: {stopped: stopped by ada}", "kill_switch", "stopped by ada"),
        ("host: {hold: held back by bob}", "hold", "held back by bob"),
        ("host: {human: stopped on purpose}", "human", "stopped on purpose"),
        ("host: {at_work: apt is at work}", "at_work", "apt is at work"),
        ("host: {lease: the desk says no}", "lease", "the desk says no"),
        ("host: {busy: {'command:restart-shop': other}}", "alone", "other works on command:restart-shop"),
        ("host: {under_way: 1}", "alone", "1 run is under way already"),
        ("host: {pauses: {freeze: no changes before the sale}}", "pause", "no changes before the sale"),
        ("host: {sample_age: 2m}", "fresh", "2m old"),
        ("history: [{outcome: fixed, ago: 4m}]", "cooldown", "cooling down until 00:06:00 UTC"),
        ("history: [{ago: 1m, outcome: failed, took: 30s}]", "cooldown", "cooling down"),
        ("history: [{outcome: harmful, ago: 20m}]", "breaker", "it did not help"),
    ],
)
def test_each_guard_can_be_made_to_refuse(world: str, guard: str, sentence: str) -> None:
    assert failed(f"{world}\nexpect: {{refused: {sentence!r}, guard: {guard}}}") == []


def test_other_alerts_count_for_guards() -> None:
    unless = "{unless: ['alertname=\"DatabaseDown\"']}"
    world = "host: {firing: [{alertname: DatabaseDown}]}\n"
    expect = "expect: {guard: upstream, refused: DatabaseDown fires, escalate: false}"
    assert failed(world + expect, guard=unless) == []
    three = ", ".join(f"{{alertname: A, service: {name}}}" for name in "abc")
    many = f"host: {{firing: [{three}]}}\n"
    assert failed(many + "expect: {guard: common_cause}") == []
    watched = many.replace("host: {", "host: {watched: [d, e, f, g, h, i, j], ")
    assert failed(watched + BOTH + GONE + "expect: {outcome: fixed}") == []


def test_a_run_of_more_than_a_week_ago_is_forgotten() -> None:
    two = "history: [{outcome: ineffective, ago: %s}, {outcome: ineffective, ago: %s}]\n"
    assert failed(two % ("7d1m", "7d") + BOTH + GONE + "expect: {outcome: fixed}") == []
    assert failed(two % ("6d1m", "6d") + "expect: {guard: breaker}") == []


def test_an_approval_lets_one_run_prove_itself() -> None:
    history = "history: [{outcome: ineffective, ago: 3h}, {outcome: ineffective, ago: 2h}]\n"
    assert failed(history + "expect: {guard: breaker, refused: somebody approves it}") == []
    assert failed(history + "host: {approved: true}\n" + BOTH + GONE + "expect: {outcome: fixed}") == []


def test_a_mode_lies_over_that_of_the_playbook() -> None:
    assert failed("expect: {guard: mode, refused: only proposes}", mode="propose") == []
    assert failed("mode: auto\n" + BOTH + GONE + "expect: {outcome: fixed}", mode="propose") == []


def test_a_run_of_another_playbook_on_the_same_things_counts_too() -> None:
    turns = """\
history:
- {playbook: other, ago: 20m, outcome: fixed}
- {ago: 15m, outcome: fixed}
- {playbook: other, ago: 12m, outcome: fixed}
"""
    assert failed(f"{turns}expect: {{guard: oscillation}}") == []


def test_what_nothing_is_written_of_succeeds_only_where_that_is_written() -> None:
    lenient = "commands_default: ok\n" + GONE
    assert failed(lenient + "expect: {outcome: fixed}") == []
    (told,) = failed(GONE + "expect: {outcome: fixed}")
    assert told.startswith("t.yml:")
    assert (
        'nothing is written of what comes of: run check-shop; add under commands: - {run: "check-shop"'
        in told
    )


def test_playing_leaves_the_outcome_of_a_run_closed() -> None:
    run = played(BOTH + GONE + "expect: {outcome: fixed}").run
    assert run is not None
    assert run.outcome is Outcome.FIXED
    assert run.ended_ms == run.verified_ms
