"""Write down what the host looks like before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from model.decode import MISSING, Decoder
from model.misfit import Misfit
from model.plugin import Action
from model.step import EVIDENCE_BYTES_MAX, Exec, Gather, Host, Preset, Risk, Step
from model.yaml_tree import Node, Sequence

JOURNAL = ("journalctl", "--no-pager", "--quiet", "--lines=500", "--output=short-iso")


@dataclass(frozen=True, slots=True)
class Options:
    """What to look at, written as a list: ``collect: [journal, sockets, top]``."""

    presets: tuple[Preset, ...]

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Options:
        """Read the list; one preset twice is a mistake."""
        if not isinstance(node, Sequence) or not node.items:
            raise Misfit("collect takes a list of what to look at", "write collect: [top, journal]")
        presets = decoder.value(node, tuple[Preset, ...])
        if presets is MISSING:
            return cast("Options", MISSING)  # the decoder's mark for what it refused
        if len(set(presets)) < len(presets):
            raise Misfit("collect names something twice", "name each once")
        return cls(presets)


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """Look at each in turn; what cannot be seen never keeps the next step from being taken."""
    for preset in options.presets:
        if preset == "journal":
            yield Exec(JOURNAL, timeout_s=10, vital=False, output_bytes_max=EVIDENCE_BYTES_MAX)
        else:
            yield Gather(preset)


def touches(_options: Options) -> frozenset[str]:
    """Looking touches nothing."""
    return frozenset()


ACTION = Action("collect", Options, plan, risk=Risk.READ_ONLY, touches=touches)
