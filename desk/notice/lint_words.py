"""The words that have no place in a text to customers, in every language that ships."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

Words = Mapping[str, re.Pattern[str]]


def _any(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


PROMISES: Final[Words] = {
    "en": _any(
        "guarantee[ds]?",
        "we promise",
        "never again",
        "(?:will|won't|will not) happen again",
        r"will (?:all )?be (?:fixed|back|restored|resolved|solved|repaired|over)(?: again)?"
        r" (?:by|in|at|within|before)",
        "ETA",
        "100 ?%",
    ),
    "de": _any(
        "garantier(?:en|t)",
        "wir versprechen",
        "nie wieder",
        "nicht (?:mehr|wieder) vorkommen",
        r"(?:ist|sind|wird|werden) (?:bis|in|innerhalb)\b[^.]{1,40}\b(?:behoben|gelöst|repariert|wieder da)",
        "ETA",
        "100 ?%",
    ),
}
HEDGES: Final[Words] = {
    "en": _any(
        "some (?:users|customers|people) (?:may|might|could)",
        "may (?:be )?experienc(?:e|ing)",
        "might experience",
        "intermittent(?:ly)?",
        "(?:we are|we're) aware",
        "working hard",
        "shortly",
        "soon",
        "as soon as possible",
        "degraded (?:experience|performance)",
        "due to a third party",
        "inconvenience",
        "unforeseen",
        "bear with us",
    ),
    "de": _any(
        "einige (?:Nutzer|Kunden|Personen) (?:können|könnten)",
        "möglicherweise",
        "eventuell",
        "unter Umständen",
        "kann es zu",
        "vereinzelt",
        "sporadisch",
        "uns ist bekannt",
        "(?:mit|unter) Hochdruck",
        "in Kürze",
        "bald",
        "demnächst",
        "so (?:schnell|bald) wie möglich",
        "schnellstmöglich",
        "Unannehmlichkeiten",
        "aufgrund (?:eines|von) Dritt\\w*",
        "wir bitten um Verständnis",
    ),
}
_EVERYWHERE: Final = (
    "backend",
    "upstream",
    "downstream",
    "fail-?over",
    "clusters?",
    "kubernetes",
    "k8s",
    "pods?",
    "containers?",
    "daemons?",
    "OOM",
    "CPU",
    "RAM",
    "inodes?",
    "DNS",
    "TLS",
    "SSL",
    "TCP",
    "HTTP",
    "[45]xx",
    "50[0234]",
    "replicas?",
    "shards?",
    "timeouts?",
    "roll-?back",
    "nginx",
    "redis",
    "postgres(?:ql)?",
    "mysql",
    "kafka",
    "SLA",
    "SLO",
    "p9[59]",
    "throughput",
    "root cause",
)
JARGON: Final[Words] = {
    "en": _any(
        *_EVERYWHERE,
        "latency",
        "outage",
        "mitigat(?:e|ed|ing|ion)",
        "remediat(?:e|ed|ing|ion)",
        "instances?",
        "nodes?",
        "throttl(?:e|ed|ing)",
        "processes",
        "threads?",
        "deploy(?:ed|ment|s)?",
        "reboot(?:ed|ing)?",
    ),
    "de": _any(
        *_EVERYWHERE,
        "Latenz(?:en)?",
        "Instanz(?:en)?",
        "Knoten",
        "Deployment",
        "Prozesse?",
        "Threads?",
        "Ursachenanalyse",
        "gemitigt",
    ),
}
SORRY: Final[Words] = {
    "en": _any("sorry", "apolog(?:y|ies|i[sz]e[ds]?)", "regret"),
    "de": _any("Entschuldigung", "entschuldigen", "tut uns leid", "bedauern"),
}
