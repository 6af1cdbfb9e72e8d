"""A playbook and a test of it, as short as they can be, for the tests of trials."""

from __future__ import annotations

from remediations.trials.file import Trial, load_trials
from remediations.trials.judge import failures
from remediations.trials.play import Played, play
from tests.remediations.stage import playbook

RESTART = """\
- command: {argv: [check-shop]}
- command: {argv: [restart-shop]}
"""


def trial(text: str, alert: str = "{labels: {alertname: ShopDown}}") -> Trial:
    """The test that has these lines beside its name, playbook and alert."""
    lines = "".join(f"  {line}\n" for line in text.strip().splitlines())
    head = f"playbooks: [x.yml]\nplaybook_tests:\n- name: t\n  playbook: heal-shop\n  alert: {alert}\n"
    return load_trials((head + lines).encode(), "t.yml").playbook_tests[0]


def played(text: str, steps: str = RESTART, **more: str) -> Played:
    """What comes of a test."""
    return play(trial(text), playbook(steps, **more))


def failed(text: str, steps: str = RESTART, **more: str) -> list[str]:
    """What a test says went wrong."""
    one, book = trial(text), playbook(steps, **more)
    return list(failures(one, book, play(one, book)))
