"""Flows over HTTP: several requests in turn, where later ones say what earlier answers told.

Each step is judged like an http probe and told under its own label; cookies stay within one run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from model.conversation import Conversation
from model.decode import MISSING, Decoder, Missing
from model.duration import seconds
from model.labels import Labels
from model.misfit import Misfit
from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample
from model.yaml_tree import Mapping as MappingNode
from model.yaml_tree import Node, Scalar
from probes.net import http
from probes.net.blocking import hold
from probes.net.capture import Capture, UrlTemplate, filled, filled_body, names_in
from probes.net.connect import COMMON, TLS, Trace, Unhealthy, sooner
from probes.net.cookies import Cookies
from probes.net.credentials import Secret
from probes.net.http_options import Options as HttpOptions

STEPS_MAX: Final = 32
CAPTURES_MAX: Final = 32

SUCCESS = Metric("beforehand_flow_success", "1 if every step of the flow went well, else 0.")
DONE = Metric("beforehand_flow_steps_done", "How many steps went well, in their order.")
DURATION = Metric("beforehand_flow_duration_seconds", "How long the whole flow took.")

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OWN_KEYS: Final = ("step", "url", "capture")


@dataclass(frozen=True, slots=True)
class _Own:
    """The keys of a step that an http probe has not."""

    step: str
    url: UrlTemplate
    capture: Mapping[str, Capture] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One request: its name, its ``url``, what it captures, and all else as for an http probe."""

    name: str
    url: UrlTemplate
    capture: Mapping[str, Capture]
    http: HttpOptions

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Step | Missing:
        """Read a mapping."""
        if not isinstance(node, MappingNode):
            raise Misfit("expected a step", "write it like - {step: home, url: https://shop.example.com/}")
        own = MappingNode(tuple(pair for pair in node.pairs if pair[0].text in _OWN_KEYS), node.place)
        rest = tuple(pair for pair in node.pairs if pair[0].text not in (*_OWN_KEYS, "target"))
        for key, _ in node.pairs:
            if key.text == "target":
                decoder.refuse(key.place, "a step has no target", "write url:")
        step = decoder.record(own, _Own)
        if step is MISSING:
            return MISSING
        key = Scalar("target", plain=True, place=node.place)
        target = Scalar(step.url.bare.text, plain=False, place=node.place)
        options = decoder.record(MappingNode((*rest, (key, target)), node.place), HttpOptions)
        if options is MISSING:
            return MISSING
        wrong = next((name for name in step.capture if not _NAME.fullmatch(name)), None)
        if wrong is not None or len(step.capture) > CAPTURES_MAX:
            raise Misfit(f"{wrong!r} is no name for a capture", "use letters, digits and _", key="capture")
        return cls(step.step, step.url, step.capture, options)

    def refers_to(self) -> frozenset[str]:
        """Return the names of the values that this step says again."""
        headers = [secret.text for secret in self.http.headers.values()]
        return frozenset().union(*map(names_in, (self.url.text, self.http.body.text, *headers)))

    def told(self, values: Mapping[str, str]) -> HttpOptions:
        """Return what to ask with these values; raises ``Misfit`` where one cannot stand in its place."""
        headers = {name: Secret(filled(one.text, values)) for name, one in self.http.headers.items()}
        kind = next((one.text for name, one in headers.items() if name.lower() == "content-type"), "")
        body = Secret(filled_body(self.http.body.text, values, kind))
        return replace(self.http, target=self.url.url(values), headers=headers, body=body)


@dataclass(frozen=True, slots=True)
class Options:
    """A flow by its name, and its ``steps``, each one request after the other, up to the first that fails.

    A step has a name under ``step``, a ``url``, the keys of the http probe but ``target``, and ``capture``:
    names with a place each, one of ``json`` (a path like ``$.user.id``), ``header`` (its name) or ``regexp``
    (its first group, in the body). Later steps write ``${name}`` in the path or query of their ``url``, in
    ``headers`` and in ``body``, where it is escaped as the content type needs it.
    """

    flow: str
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.steps) <= STEPS_MAX:
            raise Misfit(f"the flow has {len(self.steps)} steps", f"write 1 to {STEPS_MAX}", key="steps")
        names = [step.name for step in self.steps]
        if len(set(names)) < len(names):
            raise Misfit("two steps have one name", "rename one of them", key="steps")
        known: set[str] = set()
        for step in self.steps:
            for name in sorted(step.refers_to() - known):
                cure = "capture it in an earlier step"
                raise Misfit(
                    f"the step {step.name!r} refers to {name!r}, which is not known", cure, key="steps"
                )
            known |= step.capture.keys()


@dataclass(slots=True)
class Seen:
    """What one run saw: each step that was asked, in their order."""

    steps: list[tuple[str, http.Exchange]] = field(default_factory=list)
    done: int = 0
    took_s: float = 0.0


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield how far the flow went, and each of its steps."""
    return samples(options, look(options, sooner(deadline)))


def look(options: Options, deadline: Deadline) -> Seen:
    """Go through the steps up to the first that fails."""
    return hold(_walk(options, deadline), deadline)


def converse(options: Options, deadline: Deadline) -> Conversation[Iterator[Sample | Remark]]:
    """Do as ``run`` does, as a conversation."""
    seen = yield from _walk(options, deadline)
    return samples(options, seen)


def _walk(options: Options, deadline: Deadline) -> Conversation[Seen]:
    seen, values, cookies = Seen(), dict[str, str](), Cookies()
    began_s = deadline.monotonic()
    for step in options.steps:
        exchange = yield from _asked(step, values, cookies, deadline)
        seen.steps.append((step.name, exchange))
        if exchange.trace.failure:
            break
        seen.done += 1
    seen.took_s = deadline.monotonic() - began_s
    return seen


def _asked(
    step: Step, values: dict[str, str], cookies: Cookies, deadline: Deadline
) -> Conversation[http.Exchange]:
    """Ask for one step, judge its answer, and take from it what later steps need."""
    try:
        told = step.told(values)
    except Misfit as wrong:
        exchange = http.Exchange(Trace.start(deadline.monotonic), step.url.bare)
        exchange.trace.failure = f"what was captured cannot be said: {wrong.sentence}"
        return exchange
    exchange = yield from http.exchanges(told, deadline, cookies)
    if exchange.head is not None and not exchange.trace.failure:
        try:
            for name, capture in step.capture.items():
                values[name] = capture.taken(name, exchange.head, exchange.body)
        except Unhealthy as fact:
            exchange.trace.failure = str(fact)
    return exchange


def samples(options: Options, seen: Seen) -> Iterator[Sample | Remark]:
    """Yield the flow, and each step in the names of the http probe."""
    yield SUCCESS(seen.done == len(options.steps))
    yield DONE(seen.done)
    yield DURATION(seen.took_s)
    for name, exchange in seen.steps:
        for one in http.samples(exchange):
            labels = Labels.of(one.labels, step=name)
            yield Sample(labels, one.value) if isinstance(one, Sample) else Remark(labels, one.text)


def _target(options: Options) -> str:
    return options.flow


PROBE = Probe(
    "http_flow", Options, run, (SUCCESS, DONE, DURATION, *COMMON, *TLS, *http.HTTP),
    job="blackbox", target=_target, every=seconds(60), timeout=seconds(30), converse=converse,
)  # fmt: skip  # the head on two lines
