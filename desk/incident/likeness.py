"""What every decision reads of an alert besides its name and its times, as one short text: pure.

Alerts of one service that are alike decide the same and touch the same people, so that of a hundred thousand
one speaks for all. The text begins with a mark of what the catalogue says of the service, since another
catalogue tells alerts apart by other labels, and ends with ``/over`` once their end is reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from desk.approval.approval import ANNOTATION
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.service import ImpactRule, Service
from desk.incident.findings import announced
from desk.incident.incident import Signal
from desk.notice.compose import HOST_LABELS
from desk.notice.lint import says_host

OVER: Final = "/over"
_ROUGH: Final = "~"
_DIGEST_BYTES: Final = 12


def likeness(catalogue: Catalogue, service: str, signal: Signal) -> str:
    """Return what an alert is like, for this service."""
    more = (*_place(catalogue, service, signal), *_words(signal))
    return f"{_mark(catalogue, service)}:{_digest(catalogue, service, signal, more)}"


def roughly(catalogue: Catalogue, service: str, signal: Signal) -> str:
    """Return what an alert is like as far as the course of its incident goes.

    Nothing is in it of where it hits or what it says, so of such there are few, whatever the labels say.
    """
    return f"{_mark(catalogue, service)}:{_ROUGH}{_digest(catalogue, service, signal, ())}"


def reach(catalogue: Catalogue, service: str, signal: Signal, *, rough: bool = False) -> str:
    """Return what tells apart whom an alert hits; another one only where the catalogue changes.

    A ``rough`` one tells nothing apart.
    """
    said: tuple[object, ...] = ()
    if not rough:
        impact = catalogue.impact(service, signal.labels)
        said = (impact, signal.labels.get("drill") == "true", *_place(catalogue, service, signal))
    digest = hashlib.blake2b(msgspec.json.encode(said), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{_mark(catalogue, service)}:{_ROUGH if rough else ''}{digest}"


def is_rough(text: str) -> bool:
    """Tell whether a likeness says nothing of where an alert hits."""
    return f":{_ROUGH}" in text


def scope_of(text: str) -> str:
    """Return a likeness without the word on whether the alert is over, for it hits the same people then."""
    return text.removesuffix(OVER)


def is_current(catalogue: Catalogue, service: str, text: str) -> bool:
    """Tell whether a likeness was made by what the catalogue says now."""
    return text.startswith(f"{_mark(catalogue, service)}:")


def _mark(catalogue: Catalogue, service: str) -> str:
    return catalogue.marks.get(service, "")


def _digest(catalogue: Catalogue, service: str, signal: Signal, more: tuple[object, ...]) -> str:
    remedy = signal.remedy
    healing = (
        (remedy.status, remedy.escalate, bool(remedy.healed_ms), bool(remedy.verified_ms)) if remedy else ()
    )
    impact = catalogue.impact(service, signal.labels)
    said = (impact, signal.labels.get("drill") == "true", healing, *more)
    digest = hashlib.blake2b(msgspec.json.encode(said), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{digest}{OVER if signal.over else ''}"


def _place(catalogue: Catalogue, service: str, signal: Signal) -> tuple[object, ...]:
    """Return what says whom an alert hits."""
    known = catalogue.services.get(service)
    rule = known.rule(signal.labels) if known else None
    if known is None or rule is None:
        return ()
    scope = [(one.label, signal.labels.get(one.label)) for one in rule.affects.where if one.label]
    # Of a rule with a share all alerts are weighed together.
    shared = known.impact.index(rule) if rule.share else -1
    return (str(rule.affects), scope, shared, signal.host if _host_counts(known, rule) else "")


def _host_counts(service: Service, rule: ImpactRule) -> bool:
    """Tell whether it matters on which host an alert fires."""
    counted = rule.share is not None and rule.share.of == "hosts"
    return counted or (bool(service.hosts) and rule.affects.narrowed)


def by_host(catalogue: Catalogue, service: str, signal: Signal) -> bool:
    """Tell whether the hosts on which such alerts fire are counted."""
    known = catalogue.services.get(service)
    rule = known.rule(signal.labels) if known else None
    return rule is not None and rule.share is not None and rule.share.of == "hosts"


def _words(signal: Signal) -> tuple[object, ...]:
    """Return what letters and the ledger say of an alert.

    What is asked or was found on one host is that host's own. The first bad sample is not among it: the
    incident keeps the earliest.
    """
    remedy, notes = signal.remedy, signal.annotations
    notices = [(name, text) for name, text in sorted(notes.items()) if name.startswith("notice")]
    own = signal.key if ANNOTATION in notes or announced(notes) else ""
    done = (
        (remedy.playbook, remedy.run, remedy.reason, remedy.acted_ms, remedy.healed_ms, remedy.verified_ms)
        if remedy
        else ()
    )
    return (signal.name, notices, _hosts_said(signal, [text for _, text in notices]), own, done)


def _hosts_said(signal: Signal, texts: Iterable[str]) -> list[str]:
    """Return the labels whose hosts these texts hold, for such texts are not fit to be shown."""
    hosts = [(name, value) for name in HOST_LABELS if (value := signal.labels.get(name))]
    return [name for name, value in hosts if any(says_host(text, value) for text in texts)]
