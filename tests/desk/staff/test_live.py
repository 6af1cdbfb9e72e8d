"""A desk with staff as it really runs: its file is read again, and no token is ever written down."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.desk import staffing, town
from tests.desk.delivery.test_bounce import POSTFIX
from tests.desk.serving import Serving, alert, stamp, until
from tests.desk.staffing import bearer, token
from tests.desk.town import ADA


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Serving]:
    key = "catalogue_token_file: catalogue.token\n"
    (tmp_path / "catalogue.token").write_text("c" * 64)
    (tmp_path / "catalogue.token").chmod(0o600)
    with Serving(town.write(tmp_path, staffing.hire(tmp_path) + key), tmp_path / "state") as running:
        yield running


def test_staff_shows_tokens_and_agents_and_readers_of_the_page_do_not(desk: Serving) -> None:
    assert desk.post([alert()]).status == 200
    for path in ("/mailbox", "/api/v1/incidents", "/api/v2/alerts", "/metrics", "/told-first"):
        assert desk.ask(path).status == 401, path
        assert desk.ask(path, headers=bearer("vic")).status == 200, path
    for path in ("/", "/history", "/-/ready", "/api/v1/transparency.json", "/api/v1/grants?host=web1"):
        assert desk.ask(path).status == 200, path
    assert desk.ask("/api/v1/incidents", headers=bearer("vic"), public=True).status == 404
    password = base64.b64encode(f":{token('vic')}".encode()).decode()
    assert desk.ask("/mailbox", headers={"Authorization": f"Basic {password}"}).status == 200


def test_the_catalogue_is_an_admins_or_of_whoever_has_its_own_token(desk: Serving) -> None:
    path = "/api/v1/catalogue"
    program = {"Authorization": f"Bearer {'c' * 64}"}
    found = [desk.ask(path, headers=one).status for one in ({}, bearer("eve"), bearer("root"), program)]
    assert found == [401, 403, 200, 200]


def test_who_leaves_the_file_is_out_at_the_next_look_and_no_log_holds_a_token(desk: Serving) -> None:
    file = desk.config.parent / "staff.yaml"
    assert desk.ask("/api/v1/incidents", headers=bearer("vic")).status == 200
    wrong = token("ops")[:-4] + "beef"
    assert desk.ask("/api/v1/incidents", headers={"Authorization": f"Bearer {wrong}"}).status == 401
    assert desk.process is not None
    file.write_text("staff: [{name: 1}]\n")
    os.kill(desk.process.pid, signal.SIGHUP)
    file.write_text("staff:\n" + staffing.entry("ops", "operator"))
    os.kill(desk.process.pid, signal.SIGHUP)
    until(lambda: desk.ask("/api/v1/incidents", headers=bearer("vic")).status == 401, "vic is out")
    assert desk.ask("/api/v1/incidents", headers=bearer("ops")).status == 200
    desk.stop()
    log = "".join(desk.errors)
    assert f"a token was refused: {token('ops')[4:16]}" in log
    for name in ("vic", "ops"):
        assert token(name)[17:] not in log
    assert wrong[17:] not in log


def test_whose_token_ended_a_silence_and_wrote_to_an_address_again_is_shown(desk: Serving) -> None:
    ops = bearer("ops")
    posted = {
        "matchers": [{"name": "alertname", "value": "CheckoutSlow", "isRegex": False}],
        "startsAt": stamp(0),
        "endsAt": stamp(3_600),
        "createdBy": "ops",
        "comment": "known",
    }
    body, headers = json.dumps(posted).encode(), {**ops, "Content-Type": "application/json"}
    key = desk.ask("/api/v2/silences", method="POST", body=body, headers=headers).json()["silenceID"]
    path = f"/api/v2/silence/{key}"
    assert desk.ask(path, method="DELETE", headers=bearer("grafana")).status == 200
    found = desk.ask(path, headers=ops).json()
    assert (found["createdBy"], found["endedBy"], found["status"]) == ("ops", "grafana", {"state": "expired"})
    assert desk.ask("/api/v1/bounces", method="POST", body=POSTFIX, headers=ops).status == 200
    assert desk.ask(f"/api/v1/suppressed/{ADA}", method="DELETE", headers=ops).status == 200
    [lifted] = desk.ask("/api/v1/suppressed?lifted=true", headers=bearer("vic")).json()
    assert (lifted["email"], lifted["by"]) == (ADA, "ops")


@pytest.mark.needs("amtool")
def test_amtool_shows_its_token_from_a_file(desk: Serving, tmp_path: Path) -> None:
    secret, config = tmp_path / "ops.token", tmp_path / "amtool.http.yml"
    secret.write_text(token("ops"))
    config.write_text(f"authorization:\n  credentials_file: {secret}\n")
    argv = ["amtool", f"--alertmanager.url=http://127.0.0.1:{desk.staff}", f"--http.config.file={config}"]
    add = [*argv, "silence", "add", "alertname=CheckoutSlow", "-d", "2h", "-a", "ada", "-c", "known"]
    done = subprocess.run(add, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run([*argv, "silence"], capture_output=True, text=True, timeout=30, check=False)
    assert "ada via ops" in shown.stdout
    bare = subprocess.run(
        [argv[0], argv[1], "silence"], capture_output=True, text=True, timeout=30, check=False
    )
    assert bare.returncode != 0


def test_a_desk_does_not_start_with_staff_that_is_not_sound(tmp_path: Path) -> None:
    config = town.write(tmp_path, staffing.hire(tmp_path, mode=0o644))
    with pytest.raises(AssertionError, match="others can use it"):
        Serving(config, tmp_path / "state").start()


@pytest.mark.parametrize("staff", [False, True])
def test_no_desk_listens_beyond_this_machine_with_staff_or_without(tmp_path: Path, staff: bool) -> None:
    text = town.CONFIG.replace("listen: 127.0.0.1:0", "listen: 192.0.2.1:9466")
    more = staffing.hire(tmp_path) if staff else ""
    with pytest.raises(AssertionError, match="put a proxy with TLS in front"):
        Serving(town.write(tmp_path, more, config_text=text), tmp_path / "state").start()
