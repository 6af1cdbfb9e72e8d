"""Evidence belongs to one edition of a playbook: what it says and does, not how it is laid out."""

from __future__ import annotations

from pathlib import Path

import pytest

import remediations.playbooks
from model.step import Host
from remediations.writing.edition import edition
from remediations.writing.playbook import load_playbook

BARE = Host(has_systemd=False)
TEXT = """
playbook: heal-shop
summary: Bring the shop back.
on: ['alertname="ShopDown"']
steps:
- command: {argv: [shopd, --restart]}
  when: labels.instance == 'web1'
verify: {within: 1m}
"""


def of(text: str, host: Host = BARE) -> str:
    return edition(load_playbook(text.encode(), "p.yml"), host)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\nsummary", "\n# a comment\nsummary"),
        ("playbook: heal-shop", "mode: auto\nplaybook: heal-shop"),
        ("playbook: heal-shop", "promote_after: 9\nplaybook: heal-shop"),
        ("playbook: heal-shop", "otherwise: escalate\nplaybook: heal-shop"),
        ("Bring the shop back.", "Bring it back."),
        ("[shopd, --restart]", "['shopd', \"--restart\"]"),
        ("{within: 1m}", "{within: 60s, hold: 20s}"),
    ],
)
def test_layout_and_the_rung_itself_make_no_other_edition(old: str, new: str) -> None:
    assert old in TEXT
    assert of(TEXT.replace(old, new)) == of(TEXT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--restart", "--reload"),
        ("'web1'", "'web2'"),
        ("ShopDown", "ShopSlow"),
        ("within: 1m", "within: 2m"),
        ("heal-shop", "heal-store"),
        ("verify:", "guard: {cooldown: 1m}\nverify:"),
        ("verify:", "otherwise: nothing\nverify:"),
        ("verify: {", "verify: {expr: 'up == 1', "),
        ("- command", "- collect: [df]\n- command"),
        ("  when:", "  retries: 2\n  when:"),
    ],
)
def test_whatever_changes_what_it_does_or_when_makes_another_edition(old: str, new: str) -> None:
    assert old in TEXT
    assert of(TEXT.replace(old, new)) != of(TEXT)


def test_where_a_host_plans_other_steps_it_is_another_edition() -> None:
    text = TEXT.replace("command: {argv: [shopd, --restart]}", "service: {name: shop, state: restarted}")
    hosts = (Host(has_systemd=True), Host(has_systemd=True, systemctl="/bin/systemctl"), BARE)
    assert len({of(text, host) for host in hosts}) == 3, "what cannot be planned is an edition as well"


@pytest.mark.parametrize(
    "file",
    [f for f in sorted(Path(remediations.playbooks.__path__[0]).glob("*.yml")) if ".test" not in f.name],
    ids=lambda file: file.stem,
)
def test_every_playbook_that_ships_has_an_edition_that_stays(file: Path) -> None:
    first, second = (edition(load_playbook(file.read_bytes(), "p.yml"), BARE) for _ in range(2))
    assert first == second
    assert len(first) == 64
