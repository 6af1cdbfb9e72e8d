"""A host and its desk as two processes: evidence goes there, and a person's word at the desk lets it act."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from agent.approval.key import SHARED
from model.grant import host_key
from tests.agent.process import agent as run_agent
from tests.desk import asking
from tests.desk.asking import EVE
from tests.desk.post import Post, post_office
from tests.desk.serving import Serving, until
from tests.desk.town import ON_CALL

CONFIG: Final = """\
listen: 127.0.0.1:0
instance: web1
desks: ["http://127.0.0.1:{port}"]
rules: [./rules.yml]
playbooks: [./playbook.yml]
evaluation_interval: 1s
warm_up: {{boot: 0s, start: 0s}}
probes:
- load: {{}}
  every: 1s
"""
RULES: Final = """\
groups:
- name: test
  rules:
  - alert: CheckoutDown
    expr: node_load1 >= 0
    labels: {service: checkout, severity: critical}
"""
PLAYBOOK: Final = """\
playbook: {name}
summary: Look, and touch a file.
on: ['alertname="CheckoutDown"']
mode: {mode}
guard: {{never_when: []}}
steps:
{steps}
verify: {{within: 5s, hold: 1s}}
otherwise: escalate
"""


@pytest.fixture
def post() -> Iterator[Post]:
    with post_office() as found:
        yield found


def write(folder: Path, desk: Serving, mode: str, *steps: str) -> str:
    """Write the host's files and return agent.yaml; the host has its key, made of the desk's."""
    (folder / "state").mkdir(parents=True)
    asking.write_key(folder / "state" / SHARED.name, host_key(asking.KEY, "web1").hex())
    (folder / "rules.yml").write_text(RULES)
    text = PLAYBOOK.format(name="look-and-act", mode=mode, steps="\n".join(f"- {step}" for step in steps))
    (folder / "playbook.yml").write_text(text)
    return CONFIG.format(port=desk.staff)


def full(desk: Serving) -> dict[str, Any]:
    incidents = desk.incidents()
    found: dict[str, Any] = desk.ask(f"/api/v1/incidents/{incidents[0]['id']}").json() if incidents else {}
    return found


def evidence(desk: Serving) -> list[str]:
    return [one["name"] for one in full(desk).get("evidence", ()) if one["text"]]


def test_what_a_playbook_gathered_is_attached_to_the_incident(tmp_path: Path, post: Post) -> None:
    with asking.serve(tmp_path / "desk", post.port, key=False) as desk:
        config = write(tmp_path / "host", desk, "auto", "collect: [memory, top]")
        with run_agent(tmp_path / "host", config) as agent:
            until(lambda: sorted(evidence(desk)) == ["memory", "top"], "the evidence is there", 30)
            post.wait(lambda: bool(post.to(ON_CALL)))
            assert "evidence: 2 items; on web1: beforehand explain CheckoutDown" in post.to(ON_CALL)[0].text
            told = agent.get("/api/v1/explain?alert=CheckoutDown")
            assert re.search(r"MiB available", told)


@pytest.mark.skipif(SHARED.exists(), reason="this host has an approval key of its own")
def test_a_word_at_the_desk_lets_the_agent_act(tmp_path: Path, post: Post) -> None:
    touched = tmp_path / "touched"
    with asking.serve(tmp_path / "desk", post.port) as desk:
        step = f"command: {{argv: [/usr/bin/touch, {touched}]}}"
        config = write(tmp_path / "host", desk, "approve", step)
        case = asking.Case(desk, post, host="web1")
        post_subject = "[Example Shop] May look-and-act act on web1?"
        with run_agent(tmp_path / "host", config):
            post.wait(lambda: any(str(mail.message["Subject"]) == post_subject for mail in post.to(EVE)), 30)
            [mail] = post.to(EVE)
            assert f"run /usr/bin/touch {touched}" in mail.text
            found = asking.LINK.search(mail.text)
            assert found is not None
            assert not touched.exists()
            assert case.say(found[1], "yes").status == 200
            until(touched.exists, "the file is touched", 30)
