"""Every sentence that customers read, in every language that ships; one table, the same keys in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ENGLISH: Final = {
    "noticed_major": "{service} does not work at the moment.",
    "noticed_partial": "Parts of {service} do not work at the moment.",
    "noticed_degraded": "{service} is slower or less reliable than usual.",
    "noticed_minor": "{service} has a small fault.",
    "stem_major": "{service} does not work",
    "stem_partial": "{service} works only in part",
    "stem_degraded": "{service} is slower than usual",
    "stem_minor": "{service} has a small fault",
    "since": "Since {time}. This touches {who}.",
    "since_all": "everyone who uses {service}",
    "since_tags": "those who use {service} in {places}",
    "since_tags_only": "customers in {places}",
    "since_everyone": "all customers of {page}",
    "doing_investigating": "We are looking for the cause.",
    "doing_identified": "A repair is under way.",
    "doing_monitoring": "The repair is done. We are checking that it holds.",
    "need_nothing": "You need to do nothing.",
    "next_news": "Next news by {time}.",
    "why_uses": "You get this message because you use {service}.",
    "why_tags": "You get this message because you use {service} in {places}.",
    "why_tags_only": "You get this message because you are in {places}.",
    "why_everyone": "You get this message because it concerns every customer of {page}.",
    "more": "The current state: {url}",
    "stop": "No more messages about {service}: {url}",
    "stop_word": "No more messages about {service}",
    "state_word": "The current state",
    "still": "It is not over yet.",
    "over": "{service} works again since {time}.",
    "lasted": "It was disturbed for {length}.",
    "over_check": "If you still notice something, please tell us.",
    "reply_to": "Reply to this message to reach a human.",
}

GERMAN: Final = {
    "noticed_major": "{service} funktioniert zurzeit nicht.",
    "noticed_partial": "Teile von {service} funktionieren zurzeit nicht.",
    "noticed_degraded": "{service} ist langsamer oder unzuverlässiger als sonst.",
    "noticed_minor": "{service} hat eine kleine Störung.",
    "stem_major": "{service} funktioniert nicht",
    "stem_partial": "{service} funktioniert nur teilweise",
    "stem_degraded": "{service} ist langsamer als sonst",
    "stem_minor": "{service} hat eine kleine Störung",
    "since": "Seit {time}. Das betrifft {who}.",
    "since_all": "alle, die {service} nutzen",
    "since_tags": "alle, die {service} in {places} nutzen",
    "since_tags_only": "Kunden in {places}",
    "since_everyone": "alle Kunden von {page}",
    "doing_investigating": "Wir suchen die Ursache.",
    "doing_identified": "Eine Reparatur läuft.",
    "doing_monitoring": "Die Reparatur ist erledigt. Wir prüfen, ob sie hält.",
    "need_nothing": "Sie müssen nichts tun.",
    "next_news": "Die nächste Nachricht kommt bis {time}.",
    "why_uses": "Sie erhalten diese Nachricht, weil Sie {service} nutzen.",
    "why_tags": "Sie erhalten diese Nachricht, weil Sie {service} in {places} nutzen.",
    "why_tags_only": "Sie erhalten diese Nachricht, weil Sie in {places} sind.",
    "why_everyone": "Sie erhalten diese Nachricht, weil sie alle Kunden von {page} betrifft.",
    "more": "Der aktuelle Stand: {url}",
    "stop": "Keine Nachrichten mehr über {service}: {url}",
    "stop_word": "Keine Nachrichten mehr über {service}",
    "state_word": "Der aktuelle Stand",
    "still": "Es ist noch nicht vorbei.",
    "over": "{service} funktioniert wieder seit {time}.",
    "lasted": "Die Störung dauerte {length}.",
    "over_check": "Wenn Sie noch etwas bemerken, sagen Sie es uns bitte.",
    "reply_to": "Antworten Sie auf diese Nachricht, um einen Menschen zu erreichen.",
}

LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {"en": ENGLISH, "de": GERMAN}


def spoken(language: str, fallback: str = "en") -> str:
    """Return the language that ships and is nearest to this one."""
    for tag in (language, language.partition("-")[0], fallback, fallback.partition("-")[0]):
        if tag in LANGUAGES:
            return tag
    return "en"


def say(language: str, key: str, **values: str) -> str:
    """Return one sentence; values are put in as they are, and braces in them mean nothing."""
    return LANGUAGES[language][key].format_map(values)
