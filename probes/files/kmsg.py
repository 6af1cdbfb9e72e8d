"""The kernel's log, as /dev/kmsg gives it: how often each kind of trouble came, and the last line of it.

What was logged before the first look is not counted. A process that may write there cannot pass its lines off
as the kernel's: they carry another facility. Format: the kernel's Documentation/ABI/testing/dev-kmsg.
"""

from __future__ import annotations

import errno
import os
import re
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from model.duration import seconds
from model.plugin import Deadline, Look, Probe, Remark
from model.sample import Sample
from probes.files.log import BYTES, DROPPED, LINES
from probes.files.paths import ExactPath
from probes.files.tally import COUNTED, Tally, Wanted, check
from probes.files.trouble import troubles
from probes.host.roots import this_host

KMSG: Final = ExactPath("/dev/kmsg")
RECORD_BYTES_MAX: Final = 65536
RECORDS_MAX: Final = 20_000
"""How many records one run takes; what is left waits for the next, or is overwritten and counted so."""

_RECORD: Final = re.compile(rb"(\d{1,10}),(\d{1,19}),\d{1,19},[^;]*;(.*)")
_OVERWRITTEN: Final = errno.EPIPE


@dataclass(frozen=True, slots=True)
class Options:
    """What to count besides the shipped list of troubles, or without it where ``shipped`` is false.

    ``device`` is where the kernel's log is read.
    """

    patterns: tuple[Wanted, ...] = ()
    shipped: bool = True
    device: ExactPath = KMSG

    def __post_init__(self) -> None:
        check(self.wanted)

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """All that is counted."""
        return (*(troubles() if self.shipped else ()), *self.patterns)


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the kernel's log; ``facility`` is 0 for the kernel itself."""

    facility: int
    sequence: int
    text: str


def parse(record: bytes) -> Record | None:
    """Return the record that these bytes begin with; None for what is none, as an end of a longer one."""
    shape = _RECORD.match(record)
    if shape is None:
        return None
    return Record(int(shape[1]) >> 3, int(shape[2]), shape[3].decode("utf-8", "replace"))


@dataclass(slots=True)
class Ring:
    """The kernel's log opened at its end; each read gives one record."""

    device: ExactPath
    read: Callable[[int, int], bytes] = os.read
    fd: int = field(init=False)
    __weakref__: object = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            self.fd = os.open(self.device.text, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except PermissionError:
            cure = "run the agent with CAP_SYSLOG, or use journal with kernel: true"
            raise PermissionError(f"{self.device} may not be read; {cure}") from None
        weakref.finalize(self, os.close, self.fd)
        os.lseek(self.fd, 0, os.SEEK_END)

    def records(self) -> Iterator[bytes]:
        """Yield what was logged since, at most ``RECORDS_MAX`` reads of it."""
        for _ in range(RECORDS_MAX):
            try:
                data = self.read(self.fd, RECORD_BYTES_MAX)
            except BlockingIOError:
                return
            except OSError as wrong:
                if wrong.errno != _OVERWRITTEN:
                    raise
                continue  # The next read gives the oldest record that is left; its number tells of the gap.
            if not data:
                return
            yield from data.splitlines()


@dataclass(slots=True)
class Reader:
    """Counts what the kernel has logged since the first look."""

    options: Options
    open: Callable[[ExactPath], Ring] = Ring
    ring: Ring | None = None
    tally: Tally = field(init=False)
    sequence: int | None = None
    lines: int = 0
    size: int = 0
    dropped: int = 0

    def __post_init__(self) -> None:
        self.tally = Tally(self.options.wanted)

    def look(self, deadline: Deadline) -> Iterator[Sample | Remark]:
        """Yield the counters and the last lines that matched."""
        if self.ring is None:
            self.ring = self.open(self.options.device)
        texts = [text for data in self.ring.records() if (text := self._taken(data))]
        self.tally.take_records(texts, deadline.monotonic())
        path = self.options.device.text
        yield from self.tally.seen()
        yield LINES(self.lines, path=path)
        yield BYTES(self.size, path=path)
        yield DROPPED(self.dropped, path=path)

    def _taken(self, data: bytes) -> str:
        """Return what the kernel itself said in a record, and count; nothing where somebody else did."""
        record = parse(data)
        if record is None:
            return ""
        if self.sequence is not None:
            self.dropped += max(0, record.sequence - self.sequence - 1)
        self.sequence = record.sequence
        if record.facility != 0:
            return ""
        self.lines += 1
        self.size += len(data)
        return record.text


def begin(options: Options) -> Look:
    """Return what reads the kernel's log on from where it ends at the first look."""
    return Reader(options).look


PROBE: Probe[Options] = Probe(
    "kmsg", Options, None, (*COUNTED, LINES, BYTES, DROPPED),
    job="node", target=this_host, begin=begin, every=seconds(5),
)  # fmt: skip  # the head on one line
