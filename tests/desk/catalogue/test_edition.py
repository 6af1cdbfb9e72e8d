"""Evidence and catalogues in the store: who is told by way of others, and by a catalogue that came later."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from desk.catalogue import edition
from desk.catalogue.edition import Edition
from desk.catalogue.file import read_catalogue
from desk.catalogue.text import plain
from desk.config import read_config
from model.misfit import Rejected
from tests.desk import town
from tests.desk.stage import Stage
from tests.desk.town import ADA, BEN, CLEO, DAN

LATER = (
    town.CATALOGUE.replace("service: search\n", "service: search\n  depends_on: [checkout]\n  name: Search\n")
    .replace("uses: [checkout]\n  tags: {region: us}", "uses: [search]\n  tags: {region: us}")
    .replace("customer: cedar", "customer: cedar\n  name: Cedar Ltd")
)


def adopt(stage: Stage, text: str, over: str = "") -> None:
    """Put a catalogue in force that was sent, or with ``over`` empty one of files."""
    catalogue = town.catalogue(text)
    sent = Edition(catalogue, json.dumps(plain(catalogue)), over, stage.now_ms) if over else None
    put = partial(edition.adopt, house=stage.house, catalogue=catalogue, sent=sent, now_ms=stage.now_ms)
    stage.house = stage.store.written(put)


def test_who_needs_the_failing_service_by_way_of_another_reads_of_the_one_that_they_use(stage: Stage) -> None:
    adopt(stage, LATER)
    stage.hear(town.signal())
    stage.deliver()
    told = {one["email"]: (one["grade"], one["reason"]) for one in stage.incident()["told"]}
    assert told[ADA] == ("impacted", "You use Checkout. CheckoutDown on web1 fires.")
    way = "You use Search. CheckoutDown on web1 fires. search needs it: search -> checkout."
    assert told[CLEO] == told[DAN] == ("likely", way)
    [letter] = stage.letters(CLEO)
    assert "Search" in letter.subject
    assert "Checkout" not in letter.subject + letter.text
    assert town.NOTICE not in letter.text
    assert town.NOTICE in stage.letters(BEN)[0].text


def test_a_catalogue_that_comes_later_tells_those_whom_it_adds_and_nobody_twice(stage: Stage) -> None:
    stage.hear(town.signal())
    assert sorted(stage.deliver()) == [ADA, BEN, CLEO]
    adopt(stage, town.CATALOGUE.replace("uses: [search]", "uses: [checkout]"))
    assert stage.deliver() == [DAN]
    adopt(stage, town.CATALOGUE.replace("uses: [search]", "uses: [checkout]"))
    assert stage.deliver() == []


def test_what_was_sent_is_in_force_until_the_files_change(stage: Stage) -> None:
    adopt(stage, LATER, over="digest-1")
    read = partial(edition.in_force, over="digest-1")
    found = stage.store.written(read)
    assert found is not None
    assert found.catalogue.customers[2].name == "Cedar Ltd"
    assert stage.store.written(partial(edition.in_force, over="digest-2")) is None
    assert stage.store.written(partial(edition.newer, over="digest-1", than_ms=stage.now_ms)) is None
    stage.now_ms += 1
    adopt(stage, town.CATALOGUE, over="digest-1")
    newer = stage.store.written(partial(edition.newer, over="digest-1", than_ms=stage.now_ms - 1))
    assert newer is not None
    assert newer.catalogue.customers[2].name is None
    adopt(stage, LATER)
    assert stage.store.written(read) is None


def test_what_was_sent_and_cannot_be_read_any_more_is_not_used(stage: Stage) -> None:
    sent = Edition(stage.house.catalogue, '{"services": [{"service": "x", "gone": 1}]}', "d", stage.now_ms)
    put = partial(edition.adopt, catalogue=stage.house.catalogue, sent=sent, now_ms=stage.now_ms)
    stage.store.written(partial(put, house=stage.house))
    assert stage.store.written(partial(edition.in_force, over="d")) is None


def test_a_surer_grade_is_written_down(stage: Stage) -> None:
    adopt(stage, LATER)
    stage.hear(town.signal())
    stage.deliver()
    assert {one["grade"] for one in stage.incident()["told"] if one["email"] == DAN} == {"likely"}
    adopt(
        stage, LATER.replace("uses: [search]\n  tags: {region: eu}", "uses: [checkout]\n  tags: {region: eu}")
    )
    assert stage.deliver() == []
    assert {one["grade"] for one in stage.incident()["told"] if one["email"] == DAN} == {"impacted"}


def test_the_share_that_a_narrow_scope_may_hold_is_the_operators_to_set(stage: Stage) -> None:
    people = "".join(
        f"- {{customer: c{n}, uses: [checkout], tags: {{region: eu}},"
        f" people: [{{name: N, email: n@c{n}.example}}]}}\n"
        for n in range(20)
    )
    adopt(stage, town.CATALOGUE.replace("teams:", f"{people}teams:"))
    stage.hear(town.signal("CheckoutSlow", region="eu", lasts_ms=10**7))
    stage.pass_ms(120_000)
    assert {message.to for message in stage.sent} == {town.ON_CALL}
    assert "21 of 23 customers" in stage.incident()["scope_refused"]
    stage.house = replace(stage.house, config=town.config(town.CONFIG + "narrow_scope_max: 95%\n"))
    adopt(stage, town.CATALOGUE.replace("teams:", f"{people}teams:"))
    stage.pass_ms(120_000)
    assert len(stage.sent) == 1 + 22


def test_what_is_sent_may_name_only_chats_that_the_desk_opens_as_a_file_may(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.yaml"
    config = read_config(town.write(tmp_path))
    file.write_text(town.CATALOGUE.replace("oncall@shop.example}", "oncall@shop.example, chat: alarms}"))
    said = "desk.yaml opens no chat 'alarms'; add it under chats: in desk.yaml"
    with pytest.raises(Rejected, match=said) as in_file:
        read_catalogue(config, tmp_path)
    with pytest.raises(Rejected, match=said) as sent:
        edition.read_for(config, file.read_bytes())
    [here], [there] = in_file.value.problems, sent.value.problems
    assert (here.sentence, here.place.line) == (there.sentence, there.place.line)
