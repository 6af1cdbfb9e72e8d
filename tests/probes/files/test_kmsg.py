from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from model.decode import decode
from probes.files import kmsg
from probes.files.kmsg import Options, Reader, Record, Ring, parse
from tests.descriptors import holds_open
from tests.probes.files.scene import Clock, as_nobody

OOM = "6,%d,12345,-;Out of memory: Killed process 812 (java) total-vm:9123kB, anon-rss:80kB\n"
HUNG = "3,%d,12345,-;INFO: task sync:812 blocked for more than 120 seconds.\n SUBSYSTEM=x\n DEVICE=y\n"


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "kmsg"
    path.write_text(OOM % 1)
    return path


def options(device: Path, more: str = "") -> Options:
    return decode(f"{{device: {device}{more}}}".encode(), "f", Options)


def write(device: Path, text: str) -> None:
    with device.open("a") as file:
        file.write(text)


def test_a_record_is_read_as_the_kernel_documents_it() -> None:
    assert parse(b"7,160,424069,-;pci_root PNP0A03:00: host bridge window") == Record(
        0, 160, "pci_root PNP0A03:00: host bridge window"
    )
    assert parse(b"30,340,5690716,c,caller=T1;udevd[80]: starting; version 181") == Record(
        3, 340, "udevd[80]: starting; version 181"
    )
    assert parse(b" SUBSYSTEM=acpi") is None
    assert parse(b"\xff\xfe;") is None


def test_every_kind_stands_at_0_and_old_lines_are_not_counted(device: Path) -> None:
    seen = Clock().look(kmsg.begin(options(device)))
    matches = seen.named("beforehand_log_matches_total")
    assert set(matches.values()) == {0}
    assert 'beforehand_log_matches_total{pattern="OOMKilling"}' in matches


def test_new_lines_are_counted_and_the_last_one_is_told(device: Path) -> None:
    clock, look = Clock(), kmsg.begin(options(device, ", patterns: [{pattern: Sync, regex: sync}]"))
    clock.look(look)
    write(device, OOM % 2 + HUNG % 3 + HUNG % 4)
    seen = clock.look(look)
    assert (seen.matches("OOMKilling"), seen.matches("TaskHung"), seen.matches("Sync")) == (1, 2, 2)
    told = dict(seen.remarks)['{pattern="TaskHung"}']
    assert told == "INFO: task sync:812 blocked for more than 120 seconds."
    assert seen[f'beforehand_log_lines_total{{path="{device}"}}'] == 3
    assert clock.look(look).remarks == []


def test_what_a_program_wrote_there_is_not_the_kernels(device: Path) -> None:
    clock, look = Clock(), kmsg.begin(options(device))
    clock.look(look)
    write(device, "12,2,1,-;Out of memory: Killed process 1 (a) total-vm:1kB\n")
    assert clock.look(look).matches("OOMKilling") == 0


def test_a_gap_in_the_numbers_is_counted_as_lines_dropped(device: Path) -> None:
    clock, look = Clock(), kmsg.begin(options(device))
    clock.look(look)
    write(device, OOM % 5 + OOM % 9)
    assert clock.look(look)[f'beforehand_log_dropped_lines_total{{path="{device}"}}'] == 3


def test_lines_that_were_overwritten_before_they_were_read_do_not_end_the_reading(device: Path) -> None:
    answers: list[bytes | OSError] = [
        (OOM % 5).encode(),
        OSError(errno.EPIPE, "overwritten"),
        (OOM % 100).encode(),
        BlockingIOError(errno.EAGAIN, "no more"),
    ]

    def read(_fd: int, _size: int) -> bytes:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    look = Reader(options(device), lambda path: Ring(path, read)).look
    seen = Clock().look(look)
    assert seen.matches("OOMKilling") == 2
    assert seen[f'beforehand_log_dropped_lines_total{{path="{device}"}}'] == 94


def test_the_shipped_list_can_be_left_out(device: Path) -> None:
    seen = Clock().look(kmsg.begin(options(device, ", shipped: false")))
    assert seen.named("beforehand_log_matches_total") == {}


def test_without_the_right_to_read_it_the_kernel_is_unknown_and_the_cure_is_named() -> None:
    with tempfile.TemporaryDirectory() as folder, as_nobody(Path(folder)):
        device = Path(folder, "kmsg")
        device.touch(mode=0)
        with pytest.raises(PermissionError, match="CAP_SYSLOG"):
            Clock().look(kmsg.begin(options(device)))


@pytest.mark.skipif(not os.access("/dev/kmsg", os.R_OK), reason="needs a readable /dev/kmsg")
def test_the_kernels_own_log_is_read_to_its_end() -> None:
    clock, look = Clock(), kmsg.begin(Options())
    clock.look(look)
    assert clock.look(look)['beforehand_log_dropped_lines_total{path="/dev/kmsg"}'] == 0


def test_the_descriptor_is_given_back(device: Path) -> None:
    look = kmsg.begin(options(device))
    Clock().look(look)
    assert holds_open(device)
    del look
    assert not holds_open(device)
