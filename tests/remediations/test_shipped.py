"""Each playbook that ships answers what the packs bring, and has a page that says what it does to a host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import yaml

import remediations.playbooks
import rules.packs
from model.labels import Labels
from model.matcher import Matchers
from remediations.writing.playbook import Playbook, answering, load_playbook
from rules.file import AlertingRule, load_rules
from rules.unit_test.file import load_suite
from rules.unit_test.run import play
from tests.test_tidy import ROOT

PLAYBOOKS: Final = Path(remediations.playbooks.__path__[0])
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
PARTS: Final = ("What the user feels", "What it does", "What it never does", "When it did not help")

NAMES: Final = sorted(path.stem for path in PLAYBOOKS.glob("*.yml") if not path.name.endswith(".test.yml"))


def shipped(name: str) -> Playbook:
    return load_playbook((PLAYBOOKS / f"{name}.yml").read_bytes(), f"{name}.yml")


def brought() -> Iterator[tuple[str, str]]:
    """Yield name and severity of each alert of the packs."""
    for path in Path(rules.packs.__path__[0]).glob("*.yml"):
        if path.name.endswith(".test.yml"):
            continue
        for group in load_rules(path.read_bytes(), path.name).groups:
            for rule in group.rules.each:
                if isinstance(rule, AlertingRule):
                    yield rule.name, dict(rule.labels.each)["severity"].fixed or ""


ALERTS: Final = frozenset(brought())


def answered(on: Matchers) -> set[str]:
    """Return the alerts of the packs that may fit; what their other labels are shows only on a host."""
    return {
        name
        for name, severity in ALERTS
        if all(
            one.matches({"alertname": name, "severity": severity})
            for one in on.each
            if one.label in ("alertname", "severity")
        )
    }


def answers(name: str, /, **labels: str) -> bool:
    return bool(answering([shipped(name)], Labels.of(labels)))


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_a_shipped_playbook_answers_is_brought_by_a_pack(name: str) -> None:
    assert [str(on) for on in shipped(name).on if not answered(on)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_playbook_has_a_page_that_names_each_alert_that_it_answers(name: str) -> None:
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n")
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert [one for one in headings if one in PARTS] == list(PARTS)
    named = set(re.findall(r"`([A-Z]\w+)`", page))
    wanted = set().union(*(answered(on) for on in shipped(name).on))
    assert wanted - named == set()


def test_a_page_without_a_playbook_would_mislead() -> None:
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == NAMES


def test_room_is_made_by_itself_only_where_a_disk_is_full_within_hours() -> None:
    filling = {"alertname": "NodeFilesystemSpaceFillingUp", "mountpoint": "/"}
    assert answers("free-disk-space", **filling, severity="critical")
    assert not answers("free-disk-space", **filling, severity="warning")
    assert not answers(
        "free-disk-space", alertname="NodeFilesystemAlmostOutOfSpace", mountpoint="/", severity="critical"
    )
    assert not answers("free-disk-space", **{**filling, "mountpoint": "/srv"}, severity="critical")
    inodes = {"alertname": "ResourceRunningOut", "resource": "/", "severity": "critical"}
    assert answers("free-disk-space", **inodes, kind="disk")
    assert not answers("free-disk-space", **inodes, kind="inodes")


def test_what_is_kept_to_be_looked_at_is_asked_for_after_what_can_be_fetched_again() -> None:
    critical = {"alertname": "NodeFilesystemSpaceFillingUp", "mountpoint": "/var", "severity": "critical"}
    ladder = answering([shipped(name) for name in NAMES], Labels.of(critical))
    assert [one.playbook for one in ladder] == ["free-disk-space", "free-more-disk-space"]


def test_certificates_that_certbot_does_not_keep_are_left_to_others() -> None:
    soon = "CertificateFileWillExpireSoon"
    assert answers("renew-certificate", alertname=soon, path="/etc/letsencrypt/live/shop/fullchain.pem")
    assert not answers("renew-certificate", alertname=soon, path="/etc/ssl/private/shop.pem")


def test_a_disk_of_the_host_is_no_mount_to_be_left() -> None:
    hung = {"alertname": "NodeFilesystemDeviceError", "mountpoint": "/mnt/data"}
    assert answers("recover-mount", **hung, fstype="nfs4")
    assert not answers("recover-mount", **hung, fstype="ext4")


def test_a_database_that_leaks_is_not_restarted_as_a_web_server_is() -> None:
    leak = {"alertname": "ResourceRunningOut", "kind": "process_files"}
    assert answers("restart-leaking-process", **leak, resource="php8.2-fpm")
    assert not answers("restart-leaking-process", **leak, resource="postgres")


def test_jobs_of_somebody_else_are_not_started() -> None:
    assert answers("run-missed-job", alertname="HeartbeatMissed", name="cron-daily")
    assert not answers("run-missed-job", alertname="HeartbeatMissed", name="nightly-backup")
    assert answers("start-failed-timer", alertname="NodeSystemdServiceFailed", name="logrotate.service")
    assert not answers("start-failed-timer", alertname="NodeSystemdServiceFailed", name="shop.service")


def proved(name: str, series: dict[str, str]) -> bool:
    """Tell whether a shipped proof holds ten minutes after series began, each with its values."""
    verify = shipped(name).verify
    assert verify
    assert verify.expr
    told = [{"series": one, "values": values} for one, values in series.items()]
    here = {"expr": f"count({verify.expr.text}) or vector(0)", "eval_time": "10m"}
    holds = [{"labels": "{}", "value": 1}]
    test = {"interval": "1m", "input_series": told, "promql_expr_test": [{**here, "exp_samples": holds}]}
    suite = load_suite(yaml.safe_dump({"rule_files": [], "tests": [test]}).encode(), name)
    (case,) = suite.tests or ()
    return not play(case, suite, [], "prometheus3").failures


def test_a_share_that_is_gone_is_not_recovered() -> None:
    def share(path: str, error: str = "") -> str:
        return f'node_filesystem_device_error{{mountpoint="{path}", device_error="{error}"}}'

    hung, well = share("/mnt/data", "mountpoint timeout"), share("/mnt/data")
    other = {share("/srv/nfs"): "0x10"}
    assert proved("recover-mount", {hung: "1x4 stale", well: "_x5 0x5", **other})
    assert not proved("recover-mount", {hung: "1x4 stale", **other})
    assert proved("recover-mount", {hung: "1x4 stale", well: "_x5 0x5", share("/home"): "0x4 stale"})


def test_a_service_that_did_not_come_back_is_not_cured_of_its_leak() -> None:
    nginx, puma = ('beforehand_process_count{group="nginx"}', 'beforehand_process_count{group="puma"}')
    assert proved("restart-leaking-process", {nginx: "5x4 0 5x5", puma: "0x10"})
    assert not proved("restart-leaking-process", {nginx: "5x4 0x6", puma: "2x10"})
    assert proved(
        "restart-leaking-process", {'node_systemd_unit_tasks_current{name="nginx.service"}': "9x10"}
    )
