"""What must not stand in a text to customers: a pure judgement of one text, each flaw with its cure.

Leaks are hosts, addresses, paths, traces of programs, secrets, links and names of other customers. Tone is
what nobody can hold or understand: promises, hedges, jargon, long sentences, more than one apology.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from desk.catalogue.person import printable
from desk.notice.lint_words import HEDGES, JARGON, PROMISES, SORRY

TEXT_CHARS_MAX: Final = 400
SENTENCE_WORDS_MAX: Final = 20
_WORDS_OF_ALL: Final = frozenset({"localhost", "server", "host", "web", "app", "api", "mail", "database"})

_IP: Final = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|(?<!\w)(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{1,4}"
)
_LEAKS: Final = (
    (_IP, "an address of a machine"),
    (re.compile(r"://|\bwww\.", re.IGNORECASE), "a link, which could come from a label"),
    (
        re.compile(
            r"\b[\w-]+(?:\.[\w-]+)*\.(?:local|localdomain|internal|intern|lan|corp|svc|intranet|home\.arpa)\b",
            re.IGNORECASE,
        ),
        "the name of a host",
    ),
    (
        re.compile(
            r"\b(?:web|app|api|db|sql|srv|server|node|host|vm|mail|mx|ns|kube|k8s|prod|stage|worker|gpu)"
            r"(?:-[a-z0-9]+)*-?\d{1,4}\b",
            re.IGNORECASE,
        ),
        "the name of a host",
    ),
    (re.compile(r"(?<![\w./])(?:/[\w.@-]+){2,}|(?<![\w./])~/\w|\b[A-Za-z]:\\\w"), "the path of a file"),
    (
        re.compile(
            r"Traceback \(|\bFile \"[^\"]*\", line \d|\bat [\w$.]+\([\w.]*:?\d*\)|\bgoroutine \d|\bpanic:|"
            r"\b[A-Za-z]\w*(?:Exception|Error)\b|\berrno\b|\bsegfault|\b0x[0-9a-fA-F]{4,}"
        ),
        "the trace of a program",
    ),
    (
        re.compile(
            r"-----BEGIN |\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{20,}|\bxox[abprs]-\w|\bwhsec_\w|"
            r"\beyJ[\w-]{10,}\.|"
            r"\bBearer \S{12,}|(?:pass(?:word|wd)?|kennwort|passwort|secret|token|api[_ -]?key)\s*[=:]\s*\S|"
            r"\b[0-9a-fA-F]{32,}\b|\b[A-Za-z0-9+/]{40,}={0,2}",
            re.IGNORECASE,
        ),
        "what looks like a secret",
    ),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "an address of e-mail"),
)
_ENDS: Final = re.compile(r"(?<=[.!?:])\s+|\n+")
_LETTERS: Final = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong with a text: ``kind`` is leak or tone; the rest is for whoever mends it."""

    kind: str
    sentence: str
    cure: str


def flaws(
    text: str, language: str = "", strangers: Iterable[str] = (), hosts: Iterable[tuple[str, str]] = ()
) -> tuple[Flaw, ...]:
    """Return what is wrong with a text that customers are to read, leaks first.

    ``strangers`` are names of customers; ``hosts`` are pairs of a label and its value. Without a language
    the words of every language that ships count. A text that is too long is refused for that; of the rest of
    it nothing is said.
    """
    some = text[:TEXT_CHARS_MAX]
    found = (*_leaks(some, strangers, hosts), *_tone(some, language))
    if len(text) <= TEXT_CHARS_MAX:
        return found
    return (*found, Flaw("tone", f"the notice has more than {TEXT_CHARS_MAX} characters", "say less"))


def complaints(text: str, language: str = "") -> tuple[tuple[str, str], ...]:
    """Return each flaw of a rule's sentence as a pair of what is wrong and what cures it."""
    return tuple((flaw.sentence, flaw.cure) for flaw in flaws(text, language))


def _leaks(text: str, strangers: Iterable[str], hosts: Iterable[tuple[str, str]]) -> Iterator[Flaw]:
    for pattern, what in _LEAKS:
        found = pattern.search(text)
        if found:
            yield Flaw("leak", f"the notice holds {what}: {printable(found[0])[:40]!r}", "leave it out")
    for label, value in hosts:
        if says_host(text, value):
            yield Flaw(
                "leak", f"the notice holds the value of the label {label}", "say it in customers' words"
            )
            break
    folded = text.casefold()
    for name in strangers:
        # Most names are nowhere in the text, and there may be a million of them.
        if name.casefold() in folded and _names(text, name):
            yield Flaw("leak", "the notice holds the name of a customer", "name no customer")
            break


def _tone(text: str, language: str) -> Iterator[Flaw]:
    tongues = [language] if language in HEDGES else list(HEDGES)
    for table, what, cure in _TABLES:
        found = next(filter(None, (table[tongue].search(text) for tongue in tongues)), None)
        if found:
            yield Flaw("tone", f"the notice holds {what}: {printable(found[0])[:40]!r}", cure)
    for sentence in _ENDS.split(text):
        words = sum(1 for word in sentence.split() if _LETTERS.search(word))
        if words > SENTENCE_WORDS_MAX:
            yield Flaw(
                "tone", f"a sentence has {words} words, {SENTENCE_WORDS_MAX} at most", "make two of it"
            )
            break
    if max((len(SORRY[tongue].findall(text)) for tongue in tongues), default=0) > 1:
        yield Flaw("tone", "the notice apologizes more than once", "say sorry once, after the facts")


_TABLES: Final = (
    (PROMISES, "a promise", "say what is so now, and when the next news comes"),
    (HEDGES, "words that say nothing", "say who notices what, in numbers where they are known"),
    (JARGON, "a word of engineers", "say what people see"),
)


_LIKE_ASCII: Final = frozenset("\u0130\u0131\u017f\u212a")  # taken for an i, an i, an s and a k by patterns


def says_host(text: str, value: str) -> bool:
    """Tell whether a text names the host that stands in a label's value."""
    return any(_names(text, name) for name in _host_names(value))


def _host_names(value: str) -> set[str]:
    """Return the host in a label's value, whole and without its domain."""
    host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", value).split("/")[0]
    host = re.sub(r":\d+$", "", host)
    names = {value, host, host.partition(".")[0]}
    return {name for name in names if len(name) > 1 and name.lower() not in _WORDS_OF_ALL}


def _names(text: str, name: str) -> bool:
    # A look at the letters spares the pattern for nearly all of a storm's hosts.
    if name.isascii() and _LIKE_ASCII.isdisjoint(text) and name.lower() not in text.lower():
        return False
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text, re.IGNORECASE) is not None
