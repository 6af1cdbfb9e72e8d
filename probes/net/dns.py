"""DNS checks: ask a server one question, judge its answer, tell it in blackbox_exporter's names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from model.conversation import RECEIVE, Conversation, Send
from model.misfit import Misfit
from model.plugin import Deadline, Probe, Remark
from model.sample import Metric, Sample
from probes.net.address import Endpoint
from probes.net.blocking import hold
from probes.net.connect import (
    COMMON,
    TLS,
    Connection,
    Trace,
    Unhealthy,
    connect,
    judged,
    located,
    network_fact,
    sooner,
)
from probes.net.dns_names import TYPES, QueryClass, QueryType, Rcode, rcode_name
from probes.net.dns_wire import MESSAGE_BYTES_MAX, Answer, Malformed, Name, Question, Record, belongs, decoded
from probes.net.host import Server
from probes.net.networks import Network
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.net.way import IpProtocol, OwnAddress, Way
from probes.pattern import Pattern

STRAYS_MAX: Final = 1000
PORT: Final = 53
TLS_PORT: Final = 853

ANSWER_RRS = Metric("probe_dns_answer_rrs", "How many records the answer section has.")
AUTHORITY_RRS = Metric("probe_dns_authority_rrs", "How many records the authority section has.")
ADDITIONAL_RRS = Metric("probe_dns_additional_rrs", "How many records the additional section has.")
QUERY_SUCCEEDED = Metric("probe_dns_query_succeeded", "1 if the server answered the question, else 0.")
SERIAL = Metric("probe_dns_serial", "The serial number of the zone, where SOA was asked for.")
PHASE = Metric("probe_dns_duration_seconds", "Time by phase.", labels=("phase",))

_PHASES: Final = ("resolve", "connect", "request")
_NOERROR: Final = Rcode(0)
_ANY: Final = QueryType(TYPES["ANY"])
_IN: Final = QueryClass(1)


@dataclass(frozen=True, slots=True)
class RecordRules:
    """What the records of one section must be, each searched in its text as a zone file has it."""

    fail_if_matches_regexp: tuple[Pattern, ...] = ()
    fail_if_all_match_regexp: tuple[Pattern, ...] = ()
    fail_if_not_matches_regexp: tuple[Pattern, ...] = ()
    fail_if_none_matches_regexp: tuple[Pattern, ...] = ()


NO_RULES: Final = RecordRules()


@dataclass(frozen=True, slots=True)
class Options:
    """Which server to ask what, and what to expect, with blackbox_exporter's keys.

    The question: ``query_name``, ``query_type``, ``query_class``, ``recursion_desired``, by
    ``transport_protocol``, or over TLS with ``dns_over_tls`` and ``tls_config``. The answer:
    ``valid_rcodes``, and for the records of each section ``validate_answer_rrs``,
    ``validate_authority_rrs`` and ``validate_additional_rrs``. The port is 53, or 853 with TLS, where the
    target names none. ``preferred_ip_protocol``, ``ip_protocol_fallback``, ``source_ip_address`` and
    ``refuse`` are those of the tcp probe.
    """

    target: Server
    query_name: Name
    query_type: QueryType = _ANY
    query_class: QueryClass = _IN
    recursion_desired: bool = True
    transport_protocol: Literal["udp", "tcp"] = "udp"
    dns_over_tls: bool = False
    tls_config: TlsConfig = SYSTEM_TRUST
    valid_rcodes: tuple[Rcode, ...] = (_NOERROR,)
    validate_answer_rrs: RecordRules = NO_RULES
    validate_authority_rrs: RecordRules = NO_RULES
    validate_additional_rrs: RecordRules = NO_RULES
    preferred_ip_protocol: IpProtocol = "ip4"
    ip_protocol_fallback: bool = True
    source_ip_address: OwnAddress | None = None
    refuse: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        if self.dns_over_tls and self.transport_protocol != "tcp":
            raise Misfit("DNS over TLS goes over tcp", "add transport_protocol: tcp", key="dns_over_tls")

    @property
    def way(self) -> Way:
        """How the server is reached."""
        return Way(self.preferred_ip_protocol, self.ip_protocol_fallback, self.source_ip_address, self.refuse)

    @property
    def endpoint(self) -> Endpoint:
        """Where the server listens."""
        return self.target.endpoint(TLS_PORT if self.dns_over_tls else PORT)

    @property
    def question(self) -> Question:
        """What is asked."""
        return Question(self.query_name, self.query_type.number, self.query_class.number)


@dataclass(slots=True)
class Seen:
    """What one run saw."""

    trace: Trace
    answer: Answer | None = None


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark]:
    """Yield what the server answered."""
    return samples(options, look(options, sooner(deadline)))


def look(options: Options, deadline: Deadline) -> Seen:
    """Ask and judge; ``trace.failure`` says why it failed."""
    return hold(_looking(options, deadline), deadline)


def converse(options: Options, deadline: Deadline) -> Conversation[Iterator[Sample | Remark]]:
    """Do as ``run`` does, as a conversation."""
    seen = yield from _looking(options, deadline)
    return samples(options, seen)


def _looking(options: Options, deadline: Deadline) -> Conversation[Seen]:
    seen = Seen(Trace.start(deadline.monotonic))
    number = int.from_bytes(os.urandom(2), "big")
    query = options.question.encoded(number, recursion=options.recursion_desired)
    asked = _by_stream if options.transport_protocol == "tcp" else _by_datagram
    with judged(seen.trace):
        data = yield from asked(options, query, number, seen.trace)
        try:
            seen.answer = decoded(data, options.question)
        except Malformed as wrong:
            raise Unhealthy(f"the answer cannot be read: {wrong}") from None
        seen.trace.failure = verdict(options, seen.answer)
    return seen


def _by_stream(options: Options, query: bytes, number: int, trace: Trace) -> Conversation[bytes]:
    """Ask over TCP (RFC 1035, 4.2.2), in TLS where asked for (RFC 7858), and return the answer."""
    connection = yield from connect(options.endpoint, options.way, trace, MESSAGE_BYTES_MAX + 8192)
    if options.dns_over_tls:
        with trace.stopwatch.phase("connect"):
            host = options.endpoint.host
            trace.agreed = yield from connection.start_tls(host, options.tls_config)
    with trace.stopwatch.phase("request"):
        yield from connection.send(len(query).to_bytes(2, "big") + query)
        head = yield from connection.take_exactly(2)
        size = int.from_bytes(head, "big")
        data = yield from connection.take_exactly(size)
    if len(head) < 2 or len(data) < size:
        raise Unhealthy("the connection ended before the answer did")
    if not belongs(data, number):
        raise Unhealthy("the answer is to another question")
    return data


def _by_datagram(options: Options, query: bytes, number: int, trace: Trace) -> Conversation[bytes]:
    """Ask over UDP and return the answer; what is not one, or is somebody else's, is passed over."""
    address = yield from located(options.endpoint, options.way, trace)
    with trace.stopwatch.phase("connect"):
        yield from Connection(0).open(address, options.way, datagrams=True)
    with trace.stopwatch.phase("request"):
        try:
            yield Send(query)
            for _ in range(STRAYS_MAX):
                data = yield RECEIVE
                assert isinstance(data, bytes), "Receive is answered with bytes"
                if belongs(data, number):
                    return data
        except OSError as wrong:
            raise network_fact("the server does not answer", wrong) from None
    raise Unhealthy("the server sends without end")


def verdict(options: Options, answer: Answer) -> str:
    """Return why this answer is not a healthy one, or the empty string."""
    if Rcode(answer.rcode) not in options.valid_rcodes:
        return f"the response code is {rcode_name(answer.rcode)}"
    sections = (
        ("answer", answer.answer, options.validate_answer_rrs),
        ("authority", answer.authority, options.validate_authority_rrs),
        ("additional", answer.additional, options.validate_additional_rrs),
    )
    found = (section_verdict(name, records, rules) for name, records, rules in sections if rules != NO_RULES)
    return next(filter(None, found), "")


def section_verdict(name: str, records: tuple[Record, ...], rules: RecordRules) -> str:
    """Return why the records of a section are not as they should be, or the empty string.

    As in blackbox_exporter, ``fail_if_all_match_regexp`` wants every record to match every expression.
    """
    if not records and (rules.fail_if_not_matches_regexp or rules.fail_if_none_matches_regexp):
        return f"the {name} section is empty"
    texts = [str(record).encode() for record in records]
    for text in texts:
        for pattern in rules.fail_if_matches_regexp:
            if pattern.search(text):
                return f"a record of the {name} section matches {pattern}"
        for pattern in rules.fail_if_not_matches_regexp:
            if not pattern.search(text):
                return f"a record of the {name} section does not match {pattern}"
    if not all(pattern.search(text) for text in texts for pattern in rules.fail_if_all_match_regexp):
        return f"not every record of the {name} section matches"
    none = rules.fail_if_none_matches_regexp
    if none and not any(pattern.search(text) for text in texts for pattern in none):
        return f"no record of the {name} section matches"
    return ""


def samples(options: Options, seen: Seen) -> Iterator[Sample | Remark]:
    """Yield one look in blackbox_exporter's names, with its zeros for what was not reached."""
    answer = seen.answer
    yield from seen.trace.samples()
    yield ANSWER_RRS(len(answer.answer) if answer else 0)
    yield AUTHORITY_RRS(len(answer.authority) if answer else 0)
    yield ADDITIONAL_RRS(len(answer.additional) if answer else 0)
    yield QUERY_SUCCEEDED(answer is not None)
    if answer and options.query_type.number == TYPES["SOA"]:
        yield SERIAL(answer.serial or 0)
    for phase in _PHASES:
        yield PHASE(seen.trace.stopwatch.seconds.get(phase, 0), phase=phase)


def _target(options: Options) -> str:
    return str(options.target)


def _subject(options: Options) -> str:
    return f"{options.query_type} {options.query_name} at {options.target}"


PROBE = Probe(
    "dns", Options, run,
    (*COMMON, *TLS, ANSWER_RRS, AUTHORITY_RRS, ADDITIONAL_RRS, QUERY_SUCCEEDED, SERIAL, PHASE),
    job="blackbox", target=_target, subject=_subject, converse=converse,
)  # fmt: skip  # the head on one line
