"""``beforehand ladder`` tells what playbooks have shown and what to write; ``reinstate`` lifts a demotion."""

from __future__ import annotations

import argparse
import io
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from agent import commands
from agent.cli import EX_FAILED, EX_USAGE
from agent.command.ladder import add_commands, ladder, reinstate
from agent.config import load
from agent.healing import ladder_report
from model.labels import Labels
from model.misfit import Place
from remediations.host import this_host
from remediations.ladder import proposal
from remediations.ladder.ladder import Demotion
from remediations.ladder.proposal import Kind
from remediations.ladder.rungs import every_rung
from remediations.running.journal import Journal
from remediations.writing.edition import edition
from remediations.writing.playbook import Mode
from tests.agent.healing.test_metrics import told as value
from tests.agent.process import agent
from tests.agent.test_reload import CONFIG, begin
from tests.remediations import stage

NOW_MS = 1_700_000_000_000
DAY_MS = 24 * 3_600_000
HARM = Demotion("heal", "run-1", NOW_MS, "Lost began to fire after heal had acted")
PLAYBOOK = """# a shop
playbook: heal
summary: Do nothing, well.
on: ['alertname="Fires"']
mode: propose
promote_after: 2
steps: [command: {argv: ['true']}]
verify: {within: 1m}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "p.yml").write_text(PLAYBOOK)
    (tmp_path / "agent.yaml").write_text("probes: [load: {}]\nrules: []\nplaybooks: [p.yml, restart-redis]\n")
    Journal(tmp_path / "runs.db").close()
    return tmp_path


def show(folder: Path, *kinds: Kind) -> None:
    """Write what the playbook has shown since it stands on its rung."""
    playbook = load(folder / "agent.yaml").playbooks[0]
    with closing(Journal(folder / "runs.db")) as journal:
        journal.stand(playbook.playbook, edition(playbook, this_host()), playbook.mode, NOW_MS)
        for number, kind in enumerate(kinds):
            alert = stage.alert(Labels.of(alertname="Fires", host="\x1b[31m"), fired_ms=NOW_MS + number)
            one = proposal.met(playbook, alert, NOW_MS + number)
            if kind is Kind.BLOCKED:
                one = replace(one, guard="hold", reason="held back by ada")
            else:
                one = replace(one, would_ms=NOW_MS + number, ended_ms=NOW_MS + number + 95_000)
            journal.propose([replace(one, kind=kind)])


def said(folder: Path, *words: str, now_ms: int = NOW_MS + DAY_MS) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers(), folder, folder)
    out, err = io.StringIO(), io.StringIO()
    do = {"ladder": ladder, "reinstate": reinstate}[words[0]]
    return do(parser.parse_args(words), out, err, lambda: now_ms), out.getvalue(), err.getvalue()


def test_evidence_is_printed_with_the_promotion_and_the_line_to_write(folder: Path) -> None:
    show(folder, Kind.NEEDLESS, Kind.CLEAN, Kind.BLOCKED, Kind.CLEAN)
    code, out, _ = said(folder, "ladder", "heal")
    assert code == 0
    where = '{alertname="Fires", host="\\x1b[31m"}'
    lasted = f"{where}  the trouble lasted 1m35s more; the playbook has 1m"
    assert out.splitlines() == [
        "heal: mode propose",
        "  since 2023-11-14 22:13:20: 2 clean, 1 needless, 1 blocked",
        f"  2023-11-14 22:13:20  needless   {lasted}",
        f"  2023-11-14 22:13:20  clean      {lasted}",
        f"  2023-11-14 22:13:20  blocked    {where}  hold: held back by ada",
        f"  2023-11-14 22:13:20  clean      {lasted}",
        "  heal has proposed well 2 times in a row; promotion to approve is suggested",
        f"  to promote it: write `mode: approve` in line 5 of {folder / 'p.yml'}, and reload the agent",
    ]


def test_every_playbook_is_told_with_what_it_lacks(folder: Path) -> None:
    show(folder, Kind.CLEAN)
    code, out, _ = said(folder, "ladder")
    assert code == 0
    assert "  1 of 2 proposals in a row were clean\n" in out
    assert out.endswith("restart-redis: mode propose\n  0 of 5 proposals in a row were clean\n")


def test_where_no_mode_is_written_or_the_file_is_shipped_it_says_what_to_do(folder: Path) -> None:
    (folder / "p.yml").write_text(PLAYBOOK.replace("mode: propose\n", ""))
    told = ladder_report.edit(Place(str(folder / "p.yml")), Mode.APPROVE)
    assert told == f"to promote it: add the line `mode: approve` to {folder / 'p.yml'}, and reload the agent"
    shipped = load(folder / "agent.yaml").playbooks[1].place
    assert ladder_report.edit(shipped, Mode.APPROVE) == (
        f"to promote it: copy {shipped.file}, write `mode: approve` in the copy,"
        " and name the copy under playbooks"
    )


def test_a_changed_playbook_has_shown_nothing(folder: Path) -> None:
    show(folder, Kind.CLEAN, Kind.CLEAN)
    (folder / "p.yml").write_text(PLAYBOOK.replace("'true'", "'false'"))
    assert said(folder, "ladder", "heal")[1] == (
        "heal: mode propose\n  0 of 2 proposals in a row were clean\n"
    )


def test_a_demotion_is_told_with_the_way_back_and_lifted_once(folder: Path) -> None:
    (folder / "p.yml").write_text(PLAYBOOK.replace("propose", "auto"))
    with closing(Journal(folder / "runs.db")) as journal:
        journal.demote(HARM)
        journal.demote(replace(HARM, reason="and again"))
    _, out, _ = said(folder, "ladder", "heal")
    assert out.splitlines() == [
        "heal: mode auto, in force is propose",
        f"  it is demoted: {HARM.reason} (run run-1, 2023-11-14 22:13:20)",
        "  to lift that: beforehand reinstate heal --because TEXT",
    ]
    words = ("reinstate", "heal", "--because", "it was the network")
    assert said(folder, *words)[:2] == (0, f"heal acts again as its mode says; {HARM.reason}\n")
    assert said(folder, *words)[:2] == (0, "heal is not demoted\n")
    assert said(folder, "ladder", "heal")[1] == "heal: mode auto\n  it acts by itself\n"
    with closing(Journal(folder / "runs.db")) as journal:
        entries = journal.audit()
    assert [entry.what for entry in entries] == ["demotion", "demotion", "reinstatement"]
    assert json.loads(entries[-1].fact)["because"] == "it was the network"


def test_what_is_not_there_is_said_and_made_by_nobody(folder: Path) -> None:
    assert said(folder, "ladder", "mend")[0] == EX_USAGE
    (folder / "runs.db").unlink()
    for words in (("ladder",), ("reinstate", "heal", "--because", "x")):
        code, out, err = said(folder, *words)
        assert (code, out) == (EX_FAILED, "")
        assert "there is no journal" in err
    assert not (folder / "runs.db").exists()
    (folder / "p.yml").write_text("playbook: 7")
    assert said(folder, "ladder")[0] == EX_FAILED


def test_what_programs_read_says_the_same(folder: Path) -> None:
    show(folder, Kind.CLEAN, Kind.CLEAN, Kind.BLOCKED)
    with closing(Journal(folder / "runs.db")) as journal:
        playbooks = load(folder / "agent.yaml").playbooks[:1]
        told = ladder_report.told(every_rung(playbooks, journal, this_host(), NOW_MS + DAY_MS))
    [heal] = json.loads(json.dumps(told))["playbooks"]
    assert (heal["mode"], heal["mode_in_force"], heal["suggested"]) == ("propose", "propose", "approve")
    assert heal["counts"] == {"open": 0, "clean": 2, "needless": 0, "blocked": 1, "overtaken": 0}
    assert heal["since"] == "2023-11-14T22:13:20.000Z"
    assert [one["lasted_ms"] for one in heal["proposals"]] == [95_000, 95_000, 0]


def test_a_running_agent_heeds_a_demotion_and_hears_of_its_end(tmp_path: Path) -> None:
    begin(tmp_path)
    (tmp_path / "p.yml").write_text(PLAYBOOK.replace("mode: propose", "mode: auto"))
    state = tmp_path / "state"
    state.mkdir()
    with closing(Journal(state / "runs.db")) as journal:
        journal.demote(HARM)
    with agent(tmp_path, f"{CONFIG}playbooks: [p.yml]\nwarm_up: {{boot: 0s, start: 0s}}\n") as running:

        def mode(wanted: str) -> str:
            return value(running, "mode", f'mode="{wanted}"')

        running.until(lambda: mode("propose") == "1.0", "the mode in force")
        [heal] = json.loads(running.get("/api/v1/ladder"))["data"]["playbooks"]
        assert (heal["mode"], heal["mode_in_force"]) == ("auto", "propose")
        assert heal["demoted"]["reason"] == HARM.reason
        assert value(running, "promotion_suggested", "heal") == "0.0"
        explained = running.until(
            lambda: told if "it is demoted" in (told := running.get("/api/v1/explain?alert=Fires")) else "",
            "the proposal",
        )
        assert "heal only proposes; `beforehand ladder` tells what lets it act" in explained
        words = ["reinstate", "heal", "--because", "x", "--state", str(state)]
        assert commands.main(words) == 0
        running.until(lambda: mode("auto") == "1.0", "the mode that is written")
        running.until(lambda: json.loads(running.get("/api/v1/runs"))["data"]["runs"], "a run")
