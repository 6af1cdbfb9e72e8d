"""blackbox_exporter's module file: what is asked of a target, under a name, for many targets.

A module stays a YAML tree until a target is known; then both are read together, as a probe's options are in
agent.yaml. What blackbox_exporter does by default is laid under it first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from model.decode import MISSING, Decoder, nearest
from model.duration import Duration
from model.misfit import Misfit, Place, Problem, Rejected
from model.plugin import AnyProbe
from model.yaml_tree import Limits, Node, Scalar, Sequence, read_tree
from model.yaml_tree import Mapping as MappingNode
from probes.net import dns, grpc, http, icmp, tcp, unix, websocket
from probes.net.http_options import NOT_DONE

MODULES_MAX: Final = 1000
TARGET_CHARS_MAX: Final = 8192
PROBERS: Final[dict[str, AnyProbe]] = {
    module.PROBE.name: module.PROBE for module in (http, tcp, dns, icmp, grpc, unix, websocket)
}

_KEYS: Final = ("prober", "timeout", *PROBERS)
_LIMITS: Final = Limits(merge_keys=True, aliases_max=1000, binary=True)
_SECONDS: Final = re.compile(r"([0-9]{1,9})(\.[0-9]{1,9})?s")
_SCHEME: Final = re.compile(r"(?i)https?://")
# A target of each kind, to judge a module by before it has any.
_SOME_TARGET: Final = {
    "http": "http://localhost/",
    "tcp": "localhost:1",
    "dns": "localhost",
    "icmp": "localhost",
    "grpc": "localhost:1",
    "unix": "/socket",
    "websocket": "ws://localhost/",
}

DEFAULT: Final = b"""
modules:
  http_2xx: {prober: http}
  http_post_2xx: {prober: http, http: {method: POST}}
  tcp_connect: {prober: tcp}
  tls_connect: {prober: tcp, tcp: {tls: true}}
  icmp: {prober: icmp}
  grpc: {prober: grpc, grpc: {tls: true}}
  grpc_plain: {prober: grpc}
  ssh_banner:
    prober: tcp
    tcp: {query_response: [{expect: '^SSH-2.0-', send: SSH-2.0-beforehand-check}]}
  pop3s_banner:
    prober: tcp
    tcp: {query_response: [{expect: '^[+]OK'}], tls: true}
"""
"""What can be asked where no file names modules, under the names of blackbox_exporter's own file."""


@dataclass(frozen=True, slots=True)
class Module:
    """A module: its probe, its time-out where it has one, and its section as a tree."""

    name: str
    probe: AnyProbe
    timeout: Duration | None
    section: MappingNode

    def options(self, target: str, more: Iterable[tuple[str, Node]] = ()) -> Any:
        """Return the probe's options for a target, or raise ``Rejected``; ``more`` lies over the module."""
        place = self.section.place
        if self.probe is http.PROBE and not _SCHEME.match(target):
            target = f"http://{target}"
        pairs = (("target", Scalar(target[:TARGET_CHARS_MAX], plain=False, place=place)), *more)
        decoder = Decoder()
        options = decoder.record(over(self.section, pairs), self.probe.options)
        if options is MISSING:
            raise Rejected(tuple(decoder.problems))
        return options

    def for_host(self, hostname: str) -> tuple[tuple[str, Node], ...]:
        """Return what makes a target answer for this host, or raise ``Misfit`` where the module says another.

        That is the Host header for http, and the name that is asked for in TLS for tcp.
        """
        said = Scalar(hostname, plain=False, place=self.section.place)
        if self.probe is http.PROBE:
            headers = _mapping(self.section.get("headers"), self.section.place)
            known = [node for key, node in headers.pairs if key.text.lower() == "host"]
            if any(not isinstance(node, Scalar) or node.text != hostname for node in known):
                raise Misfit("the module and the parameter hostname name different hosts", "leave one out")
            return () if known else (("headers", over(headers, (("Host", said),))),)
        if self.probe is tcp.PROBE:
            config = _mapping(self.section.get("tls_config"), self.section.place)
            named = config.get("server_name")
            return () if named else (("tls_config", over(config, (("server_name", said),))),)
        return ()


def load_modules(data: bytes, file: str) -> dict[str, Module]:
    """Read a module file; raises ``Rejected`` with every mistake in it."""
    tree, problems = read_tree(data, file, _LIMITS)
    found: dict[str, Module] = {}
    if not isinstance(tree, MappingNode) or [key.text for key, _ in tree.pairs] != ["modules"]:
        raise Rejected(
            (*problems, Problem(tree.place, "this is no module file", "write modules: and below it names"))
        )
    modules = _mapping(tree.pairs[0][1], tree.place)
    for key, node in modules.pairs[:MODULES_MAX]:
        module = _module(key, node, problems)
        if module is not None:
            found[key.text] = module
    if len(modules.pairs) > MODULES_MAX:
        problems.append(Problem(tree.place, "there are too many modules", f"keep them within {MODULES_MAX}"))
    if problems:
        raise Rejected(tuple(problems))
    return found


def _module(name: Scalar, node: Node, problems: list[Problem]) -> Module | None:
    """Return one module, or None after noting what is wrong with it."""
    body = _mapping(_present(node), node.place)
    known = len(problems)
    for key, _ in body.pairs:
        if key.text not in _KEYS:
            problems.append(Problem(key.place, f"unknown key {key.text!r}", nearest(key.text, _KEYS)))
    prober = body.get("prober")
    probe = PROBERS.get(prober.text) if isinstance(prober, Scalar) else None
    if probe is None:
        place = prober.place if prober else name.place
        problems.append(
            Problem(place, f"the module {name.text!r} has no prober", f"name one of {', '.join(PROBERS)}")
        )
        return None
    timeout = _timeout(body.get("timeout"), problems)
    section = _as_blackbox(probe.name, _mapping(body.get(probe.name), name.place))
    module = Module(name.text, probe, timeout, section)
    try:
        module.options(_SOME_TARGET[probe.name])
    except Rejected as refused:
        # What is only not done here is told to whoever asks for this module; the others are good.
        problems += (one for one in refused.problems if one.sentence not in NOT_DONE)
    return module if len(problems) == known else None


def _timeout(node: Node | None, problems: list[Problem]) -> Duration | None:
    """Read a duration as Go writes it, which may have a fraction of a second; 0 is none."""
    if node is None:
        return None
    text = node.text if isinstance(node, Scalar) else ""
    seconds = _SECONDS.fullmatch(text)
    try:
        read = Duration(round(float(text[:-1]) * 1000)) if seconds else Duration.parse(text)
    except Misfit as wrong:
        problems.append(Problem(node.place, wrong.sentence, wrong.cure))
        return None
    return read if read.ms else None


def _as_blackbox(prober: str, section: MappingNode) -> MappingNode:
    """Lay blackbox_exporter's own defaults under a section, and write its old keys as the new ones."""
    pairs: list[tuple[Scalar, Node]] = []
    for key, node in section.pairs:
        if (prober, key.text) == ("http", "no_follow_redirects") and isinstance(node, Scalar):
            follows = "false" if node.text == "true" else "true"
            pairs.append((replace(key, text="follow_redirects"), replace(node, text=follows)))
        else:
            pairs.append((key, node))
    if prober != "unix" and section.get("preferred_ip_protocol") is None:
        key = Scalar("preferred_ip_protocol", plain=True, place=section.place)
        pairs.append((key, Scalar("ip6", plain=True, place=section.place)))
    return MappingNode(tuple(pairs), section.place)


def over(section: MappingNode, pairs: Iterable[tuple[str, Node]]) -> MappingNode:
    """Return a mapping with these pairs in place of its own of the same keys."""
    laid = dict(pairs)
    below = tuple((key, node) for key, node in section.pairs if key.text not in laid)
    above = tuple((Scalar(key, plain=True, place=node.place), node) for key, node in laid.items())
    return MappingNode((*below, *above), section.place)


def _mapping(node: Node | None, place: Place) -> MappingNode:
    return node if isinstance(node, MappingNode) else MappingNode((), place)


def _present(node: Node) -> Node:
    """Return a tree without the keys that have no value; Go leaves them at their defaults."""
    if isinstance(node, Sequence):
        return Sequence(tuple(map(_present, node.items)), node.place)
    if isinstance(node, MappingNode):
        kept = ((key, _present(child)) for key, child in node.pairs if not _absent(child))
        return MappingNode(tuple(kept), node.place)
    return node


def _absent(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and node.text in ("", "~", "null")
