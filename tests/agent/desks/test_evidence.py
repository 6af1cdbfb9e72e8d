"""Evidence on its way from a journal to a desk, over failures and kills of both."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent.desks.evidence import Evidence, Sender
from agent.notebook import Notebook
from model.labels import Labels
from model.step import Result
from remediations.running.journal import Journal
from remediations.running.run import Run, Stage
from tests.agent.desks.test_outbox import Desk, listening
from tests.desk import town
from tests.desk.serving import Serving, alert, until

RULE_LABELS = Labels.of(alertname="CheckoutDown", service="checkout")
SENDER = Sender("web1", {"instance": "web1", "service": "not this one"})


def now_ms() -> int:
    return round(time.time() * 1000)


@dataclass(frozen=True, slots=True)
class Host:
    """A host's state, and the runs in its journal."""

    folder: Path
    journal: Journal

    def run(self, name: str, text: str, stage: Stage = Stage.CLOSED) -> Run:
        run = Run(name, "restart", ("service:nginx",), RULE_LABELS, now_ms(), now_ms(), now_ms(), stage)
        self.journal.save(run)
        self.journal.intend(name, 1, "gather top", now_ms())
        self.journal.note(name, 1, Result(True, output=text), now_ms())
        return run

    @contextmanager
    def bringing(self, *desks: str) -> Iterator[Evidence]:
        notebook = Notebook(self.folder / "evidence.json")
        evidence = Evidence(self.journal, notebook, SENDER, desks, now_ms)
        try:
            yield evidence
        finally:
            evidence.close(20)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    journal = Journal(tmp_path / "runs.db")
    yield Host(tmp_path, journal)
    journal.close()


def staff(desk: Serving) -> str:
    return f"http://127.0.0.1:{desk.staff}"


def told(desk: Serving) -> list[Any]:
    [incident] = desk.incidents()
    return [one["text"] for one in desk.ask(f"/api/v1/incidents/{incident['id']}").json()["evidence"]]


def runs(desk: Desk) -> list[str]:
    bodies: list[Any] = list(desk.batches)
    return [body["run"] for body in bodies]


def test_evidence_reaches_the_incident_of_its_alert(tmp_path: Path, host: Host) -> None:
    with Serving(town.write(tmp_path / "desk"), tmp_path / "desk" / "state") as desk:
        desk.post([alert()])
        host.run("run-1", "load 3.2")
        with host.bringing(staff(desk)):
            until(lambda: told(desk) == ["load 3.2"], "the evidence is there")


def test_evidence_waits_for_a_desk_that_is_away_and_for_the_next_life(tmp_path: Path, host: Host) -> None:
    desk = Serving(town.write(tmp_path / "desk"), tmp_path / "desk" / "state")
    with desk:
        desk.post([alert()])
        desk.kill()
        host.run("run-1", "the first")
        with host.bringing(staff(desk)) as evidence:
            host.run("run-2", "the second")
            evidence.stir()
        desk.start()
        with host.bringing(staff(desk)):
            until(lambda: told(desk) == ["the first", "the second"], "both are there")


def test_what_a_desk_has_is_not_brought_again(host: Host) -> None:
    desk = Desk()
    host.run("run-1", "load 3.2")
    with listening(desk) as url:
        for _ in range(2):
            with host.bringing(url):
                desk.wait(lambda: len(desk.batches) >= 1)
        host.run("run-2", "load 3.3")
        with host.bringing(url):
            desk.wait(lambda: len(desk.batches) >= 2)
    assert runs(desk) == ["run-1", "run-2"]


def test_what_is_not_taken_is_brought_again_and_what_is_refused_is_not(host: Host) -> None:
    desk = Desk()
    desk.answers = [503, 200, 400]
    host.run("run-1", "load 3.2")
    with listening(desk) as url:
        with host.bringing(url):
            desk.wait(lambda: len(desk.batches) >= 1)
        for _ in range(3):
            if len(desk.batches) == 2:
                host.run("run-2", "load 3.3")
            with host.bringing(url):
                pass
    assert runs(desk) == ["run-1", "run-1", "run-2"]


def test_a_lost_notebook_costs_only_a_repetition(tmp_path: Path, host: Host) -> None:
    with Serving(town.write(tmp_path / "desk"), tmp_path / "desk" / "state") as desk:
        desk.post([alert()])
        host.run("run-1", "load 3.2")
        for _ in range(2):
            with host.bringing(staff(desk)):
                until(lambda: told(desk) == ["load 3.2"], "the evidence is there")
            (host.folder / "evidence.json").write_text("[broken")
        assert told(desk) == ["load 3.2"]


def test_a_run_is_told_of_when_its_steps_are_done(host: Host) -> None:
    desk = Desk()
    acting = host.run("run-1", "load 3.2", Stage.ACTING)
    with listening(desk) as url, host.bringing(url) as evidence:
        other = host.run("run-2", "load 3.3")
        evidence.stir()
        desk.wait(lambda: len(desk.batches) == 1)
        host.journal.save(replace(acting, stage=Stage.VERIFYING))
        evidence.stir()
        desk.wait(lambda: len(desk.batches) == 2)
    assert runs(desk) == [other.id, acting.id]


def test_how_many_pieces_there_are_is_known_without_a_desk(host: Host) -> None:
    host.run("run-1", "load 3.2")
    with host.bringing() as evidence:
        assert evidence.pieces("run-1") == 1
        assert evidence.pieces("unknown") == 0
