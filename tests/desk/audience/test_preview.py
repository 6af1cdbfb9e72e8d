"""Whom an alert would be told to can be asked beforehand, with the reason of everybody who is told or not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from desk.audience.preview import preview
from model.misfit import Misfit, Rejected
from tests.desk import town
from tests.desk.serving import ROOT


def test_labels_are_previewed_person_by_person(tmp_path: Path) -> None:
    text = preview(
        town.write(tmp_path), '{alertname="CheckoutSlow", service="checkout", region="eu"}', as_json=False
    )
    assert text == (
        'checkout: degraded, because alertname="CheckoutSlow" has the impact degraded on checkout.\n'
        "  Told: 2\n"
        "    ada@acme.example  impacted  de  email  You use Checkout in eu. CheckoutSlow says region=eu.\n"
        "    ben@acme.example  impacted  en  email  You use Checkout in eu. CheckoutSlow says region=eu.\n"
        "  Not told: 2\n"
        "    cleo@birch.example  not  birch is outside the scope of the alerts: it has region=us.\n"
        "    dan@cedar.example   not  cedar does not use Checkout.\n"
    )


def test_a_name_stands_for_the_labels_that_the_catalogue_asks_of_it(tmp_path: Path) -> None:
    [sheet] = json.loads(preview(town.write(tmp_path), "CheckoutDown", as_json=True))
    told = {line["email"]: line["channels"] for line in sheet["lines"] if line["told"]}
    assert told == {email: ["email"] for email in (town.ADA, town.BEN, town.CLEO)}
    assert (sheet["service"], sheet["impact"], sheet["refusals"]) == ("checkout", "major", [])


def test_a_scope_that_does_not_resolve_is_shown_as_refused(tmp_path: Path) -> None:
    text = preview(town.write(tmp_path), "CheckoutSlow", as_json=False)
    assert "REFUSED, a human is called: The scope does not resolve: the alert has no label 'region'" in text
    assert "  Told: 0\n" in text
    assert "possible  The alerts do not say for whom the service fails." in text


def test_an_alert_that_nobody_can_feel_tells_nobody(tmp_path: Path) -> None:
    path = town.write(tmp_path)
    assert "nobody is told" in preview(path, '{alertname="Other", service="checkout"}', as_json=False)
    assert preview(path, "{a='b'}", as_json=False) == "It touches no service of the catalogue.\n"


@pytest.mark.parametrize("words", ["Nothing", '{alertname=~"A.*"}', "{=}"])
def test_words_that_are_no_alert_are_refused(tmp_path: Path, words: str) -> None:
    with pytest.raises(Misfit):
        preview(town.write(tmp_path), words, as_json=False)


def test_mistakes_in_the_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(Rejected):
        preview(town.write(tmp_path, "oops: 1\n"), "CheckoutDown", as_json=False)


@pytest.mark.parametrize(("alert", "code"), [("CheckoutDown", 0), ("Nothing", 2)])
def test_the_command_line_finds_it_without_importing_the_desk(tmp_path: Path, alert: str, code: int) -> None:
    argv = [sys.executable, "-m", "agent.cli", "audience", alert, "--desk", str(town.write(tmp_path))]
    done = subprocess.run(argv, cwd=ROOT, text=True, capture_output=True, timeout=30, check=False)
    assert done.returncode == code, done.stderr
    assert ("Told: 3" in done.stdout) is (code == 0)


def test_a_forecast_is_previewed_with_who_did_not_ask_for_it(tmp_path: Path) -> None:
    rule = "  - {when: 'alertname=\"DiskFillsUp\"', impact: degraded, forecast: {within: 4h}}\n  sla:"
    text = town.CATALOGUE.replace("  sla:", rule, 1).replace(
        "email: ben@acme.example", "email: ben@acme.example, pre_impact: true"
    )
    said = preview(town.write(tmp_path, catalogue_text=text), "DiskFillsUp", as_json=False)
    assert said.startswith("checkout: degraded, expected, because ")
    assert "Told: 1\n    ben@acme.example" in said
    assert "They did not ask to hear of what is only expected." in said
