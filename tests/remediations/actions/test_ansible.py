"""A playbook of Ansible runs where its runner is installed, and is refused elsewhere."""

from __future__ import annotations

import pytest

from model.misfit import Rejected
from model.plugin import Unplannable
from model.step import Risk
from remediations.actions import ansible
from tests.remediations.actions.planning import BARE, argvs, planned, risk


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{folder: /srv/ansible, playbook: site.yml}", "ansible-runner is not installed here")],
)
def test_what_this_host_cannot_do_is_not_planned(text: str, sentence: str) -> None:
    with pytest.raises(Unplannable, match=sentence):
        planned("ansible", text, BARE)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{folder: /srv, playbook: ../x.yml}", "is not a name"),
        ("{folder: /srv, playbook: site}", "is not a playbook"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("ansible", text)


def test_an_installed_runner_is_started_with_fixed_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ansible, "found", lambda name: f"/usr/bin/{name}")
    steps = planned("ansible", "{folder: /srv/ansible, playbook: site.yml}", BARE)
    assert argvs(steps) == ["ansible-runner run /srv/ansible -p site.yml -q"]
    assert risk("ansible") is Risk.IRREVERSIBLE
