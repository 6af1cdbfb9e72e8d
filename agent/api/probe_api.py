"""``GET /probe``: one probe of a target that the caller names, as blackbox_exporter answers it.

Whoever reaches this may have requests made, so it listens where the agent does, on loopback; where clouds
keep secrets is not looked at unless the configuration allows it, and a page in a browser may not ask.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.api.endpoint import Answer, Request
from agent.api.exposition import CONTENT_TYPE, exposition
from agent.api.origin import is_foreign
from agent.sight.pool import Done, Pool
from model.misfit import Misfit, Place, Rejected
from model.plugin import AnyProbe, Deadline, DeadlinePassed, Remark
from model.sample import Metric, Sample
from model.yaml_tree import Node, Scalar, Sequence
from probes.net.modules import Module
from probes.net.networks import Network

PROBES_AT_ONCE_MAX: Final = 32
DEFAULT_MODULE: Final = "http_2xx"
DEFAULT_TIMEOUT_S: Final = 120.0
TIMEOUT_S_MAX: Final = 600.0
TIMEOUT_OFFSET_S: Final = 0.5
TIMEOUT_HEADER: Final = "x-prometheus-scrape-timeout-seconds"
GRACE_S: Final = 1.0

TIMEOUT = Metric("probe_timeout_seconds", "How long the probe may take.")
_NOWHERE: Final = Place("the request")


class Refused(Exception):
    """A request is not one that can be answered; the text is what the caller is told."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants: a module, a target with its options, and the seconds it may take."""

    module: Module
    target: str
    options: Any
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be asked: the modules, and networks that are not spoken to."""

    modules: Mapping[str, Module]
    refuse: tuple[Network, ...]


class ProbeApi:
    """Runs the probes that callers ask for, on threads of its own; one that hangs keeps its thread."""

    def __init__(self, terms: Callable[[], Terms], monotonic: Callable[[], float]) -> None:
        self._terms = terms
        self._monotonic = monotonic
        self._pool = Pool(PROBES_AT_ONCE_MAX, self._woken)
        self._arrival = threading.Condition()
        self._waited: dict[object, Done | None] = {}

    def answer(self, request: Request) -> Answer:
        """Return what the target showed."""
        headers = request.headers
        if is_foreign(headers.get("host", ""), headers.get("origin"), headers.get("sec-fetch-site")):
            return Answer(b"a page of another origin may not ask for this\n", status=403)
        try:
            wanted = asked(request, self._terms())
        except Refused as refusal:
            return Answer(f"{refusal}\n".encode(), status=400)
        done = self._done(wanted)
        if done is None or done.error is not None:
            return _trouble(done)
        seen = done.value
        assert isinstance(seen, list), "that is what the job returns"
        if request.one("debug") == "true":
            return Answer("\n".join(_debug(wanted, seen)).encode("utf-8", "replace"))
        return Answer(_exposed(wanted, seen), CONTENT_TYPE)

    def close(self) -> None:
        """Let every idle thread leave."""
        self._pool.close()

    def _done(self, wanted: Asked) -> Done | None:
        """Run the probe and return what came of it; None where nothing did in time, or no thread is free."""
        key = object()
        until_s = self._monotonic() + wanted.timeout_s
        look = wanted.module.probe.look(wanted.options)
        with self._arrival:
            if not self._pool.submit(key, lambda: list(look(Deadline(until_s, self._monotonic)))):
                return None
            self._waited[key] = None
            self._arrival.wait_for(lambda: self._came(key), wanted.timeout_s + GRACE_S)
            return self._waited.pop(key)

    def _came(self, key: object) -> bool:
        """Take in what came back; what nobody waits for any more is dropped."""
        for done in self._pool.finished():
            if done.key in self._waited:
                self._waited[done.key] = done
        return self._waited[key] is not None

    def _woken(self) -> None:
        with self._arrival:
            self._arrival.notify_all()


def asked(request: Request, terms: Terms) -> Asked:
    """Return what a request asks for, or raise ``Refused``."""
    name = request.one("module") or DEFAULT_MODULE
    module = terms.modules.get(name)
    if module is None:
        raise Refused(f'Unknown module "{name[:80]}"')
    timeout_s = _timeout_s(request.headers.get(TIMEOUT_HEADER, ""), module)
    target = request.one("target")
    if not target:
        raise Refused("Target parameter is missing")
    more: dict[str, Node] = {}
    if "refuse" in module.probe.options.__dataclass_fields__:
        items = (Scalar(str(network), plain=False, place=_NOWHERE) for network in terms.refuse)
        more["refuse"] = Sequence(tuple(items), _NOWHERE)
    try:
        if request.one("hostname"):
            more |= module.for_host(request.one("hostname"))
        options = module.options(target, tuple(more.items()))
    except Rejected as refused:
        sentences = (f"{problem.sentence}; {problem.cure}" for problem in refused.problems)
        raise Refused("\n".join(sentences)) from None
    except Misfit as wrong:
        raise Refused(str(wrong)) from None
    return Asked(module, target, options, timeout_s)


def _timeout_s(header: str, module: Module) -> float:
    """Return how long the probe may take: as its module says, but less than the scrape that it is for."""
    try:
        scrape_s = float(header) if header else 0.0
    except ValueError:
        scrape_s = math.nan
    if not math.isfinite(scrape_s):
        raise Refused("Failed to parse timeout from Prometheus header")
    most_s = (scrape_s or DEFAULT_TIMEOUT_S) - TIMEOUT_OFFSET_S
    own_s = module.timeout.s if module.timeout else 0.0
    if own_s and (own_s < most_s or most_s <= 0):
        most_s = own_s
    if most_s <= 0:
        raise Refused("the scrape's time-out leaves no time for the probe")
    return min(most_s, TIMEOUT_S_MAX)


def _trouble(done: Done | None) -> Answer:
    """Answer so that Prometheus takes the target for unknown, and not for down."""
    if done is None:
        return Answer(b"too many probes are under way, or this one does not come back\n", status=503)
    late = isinstance(done.error, DeadlinePassed)
    sentence = "it did not come back in time" if late else f"{type(done.error).__name__}: {done.error}"
    text = f"the probe itself is in trouble: {sentence[:500]}\n"
    return Answer(text.encode("utf-8", "replace"), status=500)


def _exposed(wanted: Asked, seen: list[object]) -> bytes:
    rows = [(one.labels, one.value) for one in (*seen, TIMEOUT(wanted.timeout_s)) if isinstance(one, Sample)]
    return exposition(rows, (*wanted.module.probe.emits, TIMEOUT), process=False)


def _debug(wanted: Asked, seen: list[object]) -> Iterator[str]:
    """Yield how the run went, what it brought, and what it was told to do; secrets are not shown."""
    import yaml  # noqa: PLC0415  # few ask for this

    from agent.command.probe import plain  # noqa: PLC0415  # as above

    probe: AnyProbe = wanted.module.probe
    yield "Logs for the probe:"
    yield f"probing {wanted.target!a} by module {wanted.module.name!a} ({probe.name}), {wanted.timeout_s:g}s"
    remarks = [one.text for one in seen if isinstance(one, Remark)]
    yield from (f"the probe failed: {text!a}" for text in remarks)
    yield from () if remarks else ("the probe succeeded",)
    yield from ("", "", "", "Metrics that would have been returned:")
    yield _exposed(wanted, seen).decode()
    yield from ("", "", "Module configuration:")
    told = {"prober": probe.name, "timeout": f"{wanted.timeout_s:g}s", probe.name: plain(wanted.options)}
    yield yaml.safe_dump(told, sort_keys=False, allow_unicode=True)
