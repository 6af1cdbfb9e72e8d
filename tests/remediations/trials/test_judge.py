"""A test that should fail does, and says in a few lines what was expected and what came."""

from __future__ import annotations

from remediations.trials.judge import failures
from remediations.trials.play import play
from tests.remediations.stage import playbook
from tests.remediations.trials.world import RESTART, failed, trial

BOTH = "commands: [{run: check-shop}, {run: restart-shop}]\neffect: [{at: 0s, gone: true}]\n"


def told(text: str, steps: str = "") -> str:
    (failure,) = failed(text, steps) if steps else failed(text)
    place, _, rest = failure.partition(": ")
    assert place.startswith("t.yml:")
    return rest


def test_steps_that_differ_are_shown_side_by_side() -> None:
    expect = "expect: {steps: [run check-shop, run stop-shop, run restart-shop]}"
    assert told(BOTH + expect) == "steps differ\n  run check-shop\n- run stop-shop\n  run restart-shop"
    expect = "expect: {steps: [run restart-shop, run check-shop]}"
    assert told(BOTH + expect).count("- run") == told(BOTH + expect).count("+ run") == 1
    assert told(BOTH + "expect: {steps: []}") == "steps differ\n+ run check-shop\n+ run restart-shop"


def test_evidence_may_be_left_out_but_not_be_missing() -> None:
    steps = "- collect: [top, df]\n- command: {argv: [check-shop]}"
    world = "commands: [{run: check-shop}]\neffect: [{at: 0s, gone: true}]\n"
    assert failed(world + "expect: {steps: [run check-shop]}", steps) == []
    assert failed(world + "expect: {steps: [gather df, run check-shop]}", steps) == []
    missing = "expect: {steps: [run check-shop, gather df]}"
    assert "gather df" in told(world + missing, steps)
    assert "- gather memory" in told(world + "expect: {steps: [gather memory, run check-shop]}", steps)


def test_a_step_that_should_be_skipped_and_was_taken_is_named() -> None:
    assert told(BOTH + "expect: {skipped: [run check-shop]}").endswith("- run check-shop\n+ it was taken")


def test_a_skipped_step_that_does_not_exist_is_named() -> None:
    assert told(BOTH + "expect: {skipped: [run chek-shop]}").endswith("did you mean 'run check-shop'?")
    assert told(BOTH + "expect: {skipped: [xyz]}") == "no step of the playbook is 'xyz'"


def test_another_outcome_is_told_with_its_reason() -> None:
    rest = told(BOTH + "expect: {outcome: ineffective}")
    assert rest.startswith("outcome differs\n- ineffective\n+ fixed: heal-shop helped")


def test_another_escalation_or_reason_is_told() -> None:
    assert told(BOTH + "expect: {escalate: true}").startswith("escalate differs\n- true\n+ false: ")
    assert told(BOTH + "expect: {reason: xyz}").startswith("reason differs\n- xyz\n+ heal-shop helped")


def test_an_unexpected_refusal_is_told_with_its_guard() -> None:
    rest = told("host: {hold: held back by bob}\nexpect: {outcome: fixed}")
    assert rest == "it was refused:\n+ hold: held back by bob"


def test_a_refusal_that_does_not_come_is_told() -> None:
    assert told(BOTH + "expect: {refused: bob}") == "refusal differs\n- bob\n+ it was not refused"


def test_another_refusal_is_told() -> None:
    world = "host: {hold: held back by bob}\n"
    assert told(world + "expect: {refused: ada}") == "refusal differs\n- ada\n+ held back by bob"
    assert told(world + "expect: {guard: lease}") == "guard differs\n- lease\n+ hold: held back by bob"
    assert told(world + "expect: {guard: hold, escalate: false}") == "escalate differs\n- false\n+ true"


def test_an_answer_to_what_the_playbook_never_does_is_named() -> None:
    world = "commands: [{run: check-shop}, {run: restart-shop}, {run: restrat-shop}]\n"
    rest = told(world + "effect: [{at: 0s, gone: true}]\nexpect: {outcome: fixed}")
    assert rest.startswith("heal-shop never does what t.yml:6:")
    assert rest.endswith("answers: restrat-shop")


def test_an_alert_that_the_playbook_does_not_answer_is_named() -> None:
    one, book = (
        trial(BOTH + "expect: {outcome: fixed}", "{labels: {alertname: BakeryDown}}"),
        playbook(RESTART),
    )
    (failure,) = failures(one, book, play(one, book))
    assert failure.endswith("heal-shop does not answer to BakeryDown with these labels")


def test_what_no_log_hides_stands_nowhere_in_the_journal() -> None:
    steps = "- command: {argv: [login, s3cret]}\n  no_log: true"
    world = "commands: [{run: login s3cret, stdout: hello t0ken}]\neffect: [{at: 0s, gone: true}]\n"
    assert failed(world + "expect: {hidden: [s3cret, t0ken]}", steps) == []


def test_a_secret_that_is_written_down_is_shown() -> None:
    steps = "- command: {argv: [login, s3cret]}"
    world = "commands: [{run: login s3cret, stdout: hello t0ken}]\neffect: [{at: 0s, gone: true}]\n"
    first, second = failed(world + "expect: {hidden: [s3cret, t0ken]}", steps)
    assert "'s3cret' should be hidden, and the journal says\n+ run login s3cret" in first
    assert "+ hello t0ken" in second


def test_what_can_be_told_by_its_name_is_hidden_by_itself() -> None:
    steps = "- command: {argv: [login]}"
    world = "commands: [{run: login, stdout: password=s3cret}]\neffect: [{at: 0s, gone: true}]\n"
    assert failed(world + "expect: {hidden: [s3cret]}", steps) == []


def test_hiding_what_nobody_says_proves_nothing() -> None:
    assert "proves nothing" in told(BOTH + "expect: {hidden: [s3cret]}")
