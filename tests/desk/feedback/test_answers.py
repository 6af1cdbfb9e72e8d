"""The two links of each notice, over HTTP and on both databases."""

from __future__ import annotations

import re

import pytest

from desk.delivery.own_link import read_token, token
from desk.feedback import answers
from desk.ledger.share import Share
from desk.notice.compose import NO_MARK, YES_MARK
from tests.desk.ledger.scene import asking, counted, events
from tests.desk.stage import Stage
from tests.desk.town import ADA, BEN, CLEO, DAN, ON_CALL, SECRET, ended, signal

LINK = re.compile(r"http://127\.0\.0\.1:9467(/(?:not-)?affected/[0-9a-f]{12}-\d+-[0-9a-f]{32})")


def links(stage: Stage, person: str) -> tuple[str, str]:
    """Return the two links of the last letter to somebody."""
    letter = stage.letters(person)[-1]
    yes, no = LINK.findall(letter.text)
    assert LINK.findall(letter.html) == [yes, no]
    assert yes.startswith("/affected/")
    assert no.startswith("/not-affected/")
    return yes, no


def test_each_letter_has_both_links_of_its_reader_and_no_mark_is_left(stage: Stage) -> None:
    stage.hear(signal())
    stage.deliver()
    found = {person: links(stage, person) for person in (ADA, BEN, CLEO)}
    assert len(set(found.values())) == 3
    for message in stage.sent:
        assert not {YES_MARK, NO_MARK} & set(message.text + message.html)


def test_the_word_to_a_team_has_none(stage: Stage) -> None:
    stage.hear(signal(region="", name="CheckoutSlow"))
    stage.pass_ms(400_000)
    assert stage.letters(ON_CALL)
    assert not LINK.findall(stage.letters(ON_CALL)[0].text)


def test_opening_a_link_changes_nothing_and_pressing_the_button_counts(stage: Stage) -> None:
    stage.hear(signal())
    stage.deliver()
    yes, _ = links(stage, BEN)
    with asking(stage) as desk:
        for _ in range(3):
            shown = desk.ask(yes)
            assert shown.status == 200
            assert 'method="post"' in shown.text
            assert "Are you affected" in shown.text
            assert shown.headers["cache-control"] == "no-store"
            assert desk.ask(yes, "HEAD").status == 200
        assert events(stage, "answered") == []
        assert desk.ask(yes, "POST", b"no=yes").status == 200
    assert len(events(stage, "answered")) == 1
    assert stage.incident()["answers"] == {"affected": 1, "not_affected": 0}


def test_an_answer_may_be_changed_once_and_both_stand_in_the_ledger(stage: Stage) -> None:
    stage.hear(signal())
    stage.deliver()
    yes, no = links(stage, BEN)
    with asking(stage) as desk:
        assert "You can change this answer once." in desk.ask(yes, "POST").text
        assert desk.ask(yes, "POST").status == 200
        assert desk.ask(no, "POST").status == 200
        late = desk.ask(yes, "POST")
        assert late.status == 409
        assert "can no longer be changed" in late.text
        assert "<form" not in desk.ask(yes).text
    assert len(events(stage, "answered")) == 2
    assert stage.incident()["answers"] == {"affected": 0, "not_affected": 1}


def test_a_page_speaks_the_language_of_its_reader(stage: Stage) -> None:
    stage.hear(signal())
    stage.deliver()
    with asking(stage) as desk:
        shown = desk.ask(links(stage, ADA)[1]).text
    assert '<html lang="de">' in shown
    assert "Ich bin nicht betroffen" in shown


def test_answers_say_how_many_of_the_notices_were_right(stage: Stage) -> None:
    down = signal()
    stage.hear(down)
    stage.deliver()
    with asking(stage) as desk:
        desk.ask(links(stage, ADA)[0], "POST")
        desk.ask(links(stage, BEN)[1], "POST")
    stage.now_ms += 1_000
    stage.hear(ended(down, stage.now_ms))
    found = counted(stage)
    assert found.truth.precision == Share(1, 2)
    assert found.truth.recall == Share(1, 1)
    assert found.truth.known == Share(2, 3)
    assert found.false_notices == Share(1, 3)
    assert found.proactive_people == Share(2, 2)


def test_long_after_the_end_nothing_is_taken_any_more(stage: Stage) -> None:
    down = signal()
    stage.hear(down)
    stage.deliver()
    yes, _ = links(stage, BEN)
    stage.hear(ended(down, stage.now_ms))
    stage.now_ms += answers.OPEN_MS + 1
    with asking(stage) as desk:
        assert desk.ask(yes, "POST").status == 409
    assert events(stage, "answered") == []


@pytest.mark.parametrize("way", ["affected", "not-affected"])
def test_what_was_never_given_out_is_not_found(stage: Stage, way: str) -> None:
    stage.hear(signal())
    stage.deliver()
    ref, secret = stage.incident()["id"], stage.house.secret
    ben, dan = (stage.house.people[one] for one in (BEN, DAN))
    real = token(secret, "answer", ref, ben)
    wrong = [
        token(b"x" * 32, "answer", ref, ben),
        token(secret, "answer", "0" * 12, ben),
        token(secret, "answer", ref, dan),  # he was never told
        real[:-1],
        real.replace(f"-{ben}-", f"-{dan}-"),
        "..%2f..%2fetc",
    ]
    with asking(stage) as desk:
        for text in wrong:
            assert desk.ask(f"/{way}/{text}").status == 404
            assert desk.ask(f"/{way}/{text}", "POST").status == 404
        assert desk.ask(f"/{way}/{real}").status == 200
    assert events(stage, "answered") == []


def test_a_token_is_good_for_one_incident_one_person_and_one_purpose() -> None:
    one = token(SECRET, "answer", "0123456789ab", 7)
    assert read_token(SECRET, "answer", one) == ("0123456789ab", 7)
    assert read_token(SECRET, "answer", one.replace("-7-", "-8-")) is None
    assert read_token(SECRET, "answer", one.replace("0123456789ab", "0123456789ac")) is None
    assert read_token(b"other" * 8, "answer", one) is None
    assert read_token(SECRET, "answer", "") is None
    assert read_token(SECRET, "seen", one) is None
