"""What must not reach customers is found in any text, and plain words are left alone."""

from __future__ import annotations

import re

import pytest

from desk.notice.lint import complaints, flaws, says_host
from desk.notice.words import LANGUAGES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("The server 10.0.0.7 is down.", "an address of a machine"),
        ("The server 2001:db8::7 is down.", "an address of a machine"),
        ("Look at https://evil.example now.", "a link"),
        ("The host shop.prod.internal is down.", "the name of a host"),
        ("db-prod-02 is down.", "the name of a host"),
        ("The file /var/lib/orders is full.", "the path of a file"),
        (r"The file C:\Orders is full.", "the path of a file"),
        ("It ends with NullPointerException.", "the trace of a program"),
        ("Traceback (most recent call last)", "the trace of a program"),
        ("It stopped at 0x7ffe12ab.", "the trace of a program"),
        ("Use password: hunter2 for now.", "what looks like a secret"),
        ("The key is AKIAABCDEFGHIJKLMNOP now.", "what looks like a secret"),
        ("Write to boss@shop.example instead.", "an address of e-mail"),
        ("We guarantee that it works.", "a promise"),
        ("It will be fixed by noon.", "a promise"),
        ("Some users may experience problems.", "words that say nothing"),
        ("We are aware of it.", "words that say nothing"),
        ("It works again soon.", "words that say nothing"),
        ("The latency is high.", "a word of engineers"),
        ("The upstream returns 502.", "a word of engineers"),
        ("Sorry. We apologize for it.", "apologizes more than once"),
        (" ".join(["word"] * 21) + ".", "a sentence has 21 words"),
        ("x" * 401, "more than 400 characters"),
    ],
)
def test_what_is_not_for_customers_is_found(text: str, said: str) -> None:
    assert said in " ".join(flaw.sentence for flaw in flaws(text, "en"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Wir garantieren, dass es geht.", "a promise"),
        ("Es wird bis 14 Uhr wieder behoben.", "a promise"),
        ("Einige Nutzer können Fehler sehen.", "words that say nothing"),
        ("Es geht in Kürze wieder.", "words that say nothing"),
        ("Die Latenz ist hoch.", "a word of engineers"),
        ("Das tut uns leid. Wir bitten um Entschuldigung.", "apologizes more than once"),
    ],
)
def test_german_has_such_words_too(text: str, said: str) -> None:
    assert said in " ".join(flaw.sentence for flaw in flaws(text, "de"))
    assert flaws(text)


@pytest.mark.parametrize(
    "text",
    [
        "You cannot pay at the moment.",
        "12 of 100 sign-ins fail; normal is below 1.",
        "Signing in takes over 30 seconds or fails. Orders already open keep working.",
        "We are sorry that you cannot pay.",
        "You can read and/or print orders from 14:31 on.",
        "Sie können zurzeit nicht zahlen.",
        "Version 2.4 of the shop works.",
    ],
)
def test_plain_words_are_left_alone(text: str) -> None:
    assert flaws(text) == ()


def test_a_host_is_found_in_whatever_letters_a_pattern_takes_for_its_own() -> None:
    texts = ("WEB-K1 is slow.", "we\u017f: web-\u212a1 is slow.", "Die web-k1 l\u00e4uft nicht.")
    assert all(says_host(text, "web-k1.example:9100") for text in texts)
    assert not says_host("web-k11 is slow.", "web-k1.example:9100")


def test_names_of_customers_and_hosts_are_found_as_words_and_not_within_words() -> None:
    assert [flaw.kind for flaw in flaws("Acme cannot pay.", "en", ["acme"])] == ["leak"]
    assert flaws("Acmeists cannot pay.", "en", ["acme"]) == ()
    assert (
        "label instance"
        in flaws("Shopfront is down.", "en", (), [("instance", "shopfront.x:9100")])[0].sentence
    )
    assert flaws("The server is down.", "en", (), [("instance", "server")]) == ()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_that_ships_is_without_flaw(language: str) -> None:
    for key, text in LANGUAGES[language].items():
        said = text.format_map(dict.fromkeys(re.findall(r"\{(\w+)\}", text), "Orders"))
        assert flaws(said, language) == (), key


def test_a_complaint_has_its_cure() -> None:
    assert complaints("It works again soon.", "en") == (
        (
            "the notice holds words that say nothing: 'soon'",
            "say who notices what, in numbers where they are known",
        ),
    )


def test_a_text_of_many_blanks_or_letters_is_judged_in_no_time() -> None:
    for text in ("a" * 20_000, "1." * 10_000, "/a" * 10_000, "a-" * 10_000, " " * 20_000, "A@" * 10_000):
        flaws(text)
