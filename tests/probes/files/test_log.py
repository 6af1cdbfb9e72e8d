from __future__ import annotations

import contextlib
import gzip
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Deadline, Look
from probes.files import follow, log
from probes.files.paths import TooMany
from tests.descriptors import open_descriptors
from tests.probes.files.scene import Clock, Seen, as_nobody

DOWN = "patterns: [{pattern: Down, regex: down}]"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def looking(*paths: Path | str, more: str = DOWN) -> Look:
    named = ", ".join(f"'{path}'" for path in paths)
    return log.begin(decode(f"{{paths: [{named}], {more}}}".encode(), "f", log.Options))


def append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def lines(seen: Seen, path: Path | str) -> float:
    return seen[f'beforehand_log_lines_total{{path="{path}"}}']


def test_old_lines_are_not_counted_and_new_ones_are(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    append(path, "down long ago")
    look = looking(path)
    first = clock.look(look)
    assert (first.matches("Down"), lines(first, path)) == (0, 0)
    append(path, "well", "down now")
    second = clock.look(look)
    assert (second.matches("Down"), lines(second, path)) == (1, 2)
    assert second.remarks == [('{pattern="Down"}', "down now")]
    assert second[f'beforehand_log_bytes_total{{path="{path}"}}'] == len("well\ndown now\n")
    assert second.wishes == [str(path), str(path)]


def test_a_file_that_appears_later_is_read_from_its_start(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    look = looking(path)
    first = clock.look(look)
    assert first[f'beforehand_log_files{{path="{path}"}}'] == 0
    assert first.wishes == [str(path)]
    append(path, "down")
    assert clock.look(look).matches("Down") == 1


def test_half_a_line_waits_for_its_other_half(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    path.write_text("begun before do")
    look = looking(path)
    clock.look(look)
    with path.open("a") as file:
        file.write("wn\nit went do")
    assert clock.look(look).matches("Down") == 0
    append(path, "wn")
    assert clock.look(look).matches("Down") == 1


def test_rotation_by_rename_loses_nothing_and_reads_nothing_twice(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    path.write_text("")
    look = looking(path)
    clock.look(look)
    with path.open("a") as writer:
        writer.write("down 1\n")
        writer.flush()
        clock.look(look)
        path.rename(tmp_path / "app.log.1")
        writer.write("down 2\n")
        writer.flush()
        append(path, "down 3")
        assert clock.look(look).matches("Down") == 3
        writer.write("down 4, by a writer that was told late")
        writer.flush()
        assert clock.look(look).matches("Down") == 3
    for _ in range(6):
        clock.look(look)
    assert clock.look(look).matches("Down") == 4
    append(path, "down 5")
    assert clock.look(look).matches("Down") == 5


def test_a_wildcard_that_takes_in_rotated_files_reads_nothing_twice(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    append(path, "down")
    look = looking(tmp_path / "app.log*")
    clock.look(look)
    for number in range(1, 5):
        append(path, f"down {number}a")
        for old in range(4, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                (tmp_path / f"app.log.{old}").rename(tmp_path / f"app.log.{old + 1}")
        path.rename(tmp_path / "app.log.1")
        append(path, f"down {number}b")
        assert clock.look(look).matches("Down") == 2 * number


def test_packed_files_links_and_what_is_no_file_are_left_out(tmp_path: Path, clock: Clock) -> None:
    look = looking(tmp_path / "*")
    clock.look(look)
    secret = tmp_path.parent / f"{tmp_path.name}-secret"
    secret.write_text("down\n")
    (tmp_path / "a.log").symlink_to(secret)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"down\n"))
    seen = clock.look(look)
    assert seen.matches("Down") == 0
    assert seen[f'beforehand_log_files{{path="{tmp_path}/*"}}'] == 0
    followed = looking(tmp_path / "a.log", more=f"symlinks: true, {DOWN}")
    clock.look(followed)
    append(secret, "down")
    assert clock.look(followed).matches("Down") == 1


@pytest.mark.parametrize("late", [False, True], ids=["looked-at-while-copied", "looked-at-after"])
@pytest.mark.parametrize("wildcard", ["app.log", "app.log*"])
def test_copy_and_truncate_loses_nothing(tmp_path: Path, clock: Clock, wildcard: str, late: bool) -> None:
    path = tmp_path / "app.log"
    append(path, *["x" * 100] * 50)
    look = looking(tmp_path / wildcard)
    clock.look(look)
    append(path, "down 1")
    clock.look(look)
    append(path, "down 2")
    content = path.read_bytes()
    copy = tmp_path / "app.log.1"
    copy.write_bytes(content[:2000])
    if not late:
        clock.look(look)
    with copy.open("ab") as file:
        file.write(content[2000:])
    if not late:
        clock.look(look)
    os.truncate(path, 0)
    append(path, "down 3")
    seen = clock.look(look)
    assert seen.matches("Down") == 3
    assert seen["beforehand_log_truncations_total"] == 1
    for _ in range(5):
        assert clock.look(look).matches("Down") == 3


def test_a_file_that_was_cut_and_has_grown_beyond_is_read_from_its_start(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "app.log"
    append(path, "old " * 10)
    look = looking(path)
    clock.look(look)
    path.write_text("down\n" + "new line\n" * 1000)
    seen = clock.look(look)
    assert (seen.matches("Down"), lines(seen, path)) == (1, 1001)


def test_a_new_file_with_the_number_of_a_removed_one_is_read_whole(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    append(path, "some line")
    look = looking(path)
    clock.look(look)
    for number in range(1, 30):
        path.unlink()
        append(path, "some line", "down")
        assert clock.look(look).matches("Down") == number


def test_a_new_file_that_begins_like_the_old_one_is_no_copy(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    append(path, "server started")
    look = looking(tmp_path / "app.log*")
    clock.look(look)
    path.rename(tmp_path / "app.log.1")
    append(path, "server started", "down")
    assert clock.look(look).matches("Down") == 1


def test_a_small_file_that_could_become_a_copy_is_read_after_a_while(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    append(path, "down", "and more")
    look = looking(tmp_path / "app*")
    clock.look(look)
    append(tmp_path / "app-other.log", "down")
    assert clock.look(look, later_s=1).matches("Down") == 0
    assert clock.look(look, later_s=6).matches("Down") == 1


def test_descriptors_are_given_back(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    append(path, "x")
    before = open_descriptors()
    look: Look | None = looking(path)
    assert look is not None
    for _ in range(3 * follow.UNLISTED_MAX):
        clock.look(look, later_s=0.1)
        path.rename(tmp_path / "app.log.1")
        append(path, "x")
    assert open_descriptors() <= before + follow.UNLISTED_MAX + 2
    path.unlink()
    for _ in range(10):
        clock.look(look)
    assert open_descriptors() <= before
    append(path, "x")
    clock.look(look)
    del look
    assert open_descriptors() <= before


def test_a_record_of_several_lines_is_matched_whole(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    path.write_text("")
    more = "starts_with: '^[0-9]', patterns: [{pattern: Npe, regex: '(?s)ERROR.*NullPointer'}]"
    look = looking(path, more=more)
    clock.look(look)
    append(path, "1 ERROR failed", "  at a")
    assert clock.look(look, later_s=0.1).matches("Npe") == 0
    append(path, "  caused by: NullPointer")
    assert clock.look(look, later_s=0.1).matches("Npe") == 0
    seen = clock.look(look)
    assert seen.matches("Npe") == 1
    assert seen.remarks == [('{pattern="Npe"}', "1 ERROR failed\n  at a\n  caused by: NullPointer")]
    append(path, "2 ERROR x", "3 NullPointer")
    assert clock.look(look).matches("Npe") == 1


def test_hostile_lines_do_no_harm(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    path.write_text("")
    look = looking(path)
    clock.look(look)
    with path.open("ab") as file:
        file.write(b"y" * 10_000_000 + b" down\n")
        file.write(bytes(range(256)) * 400 + b"\n\x00\x00do\x1b[31mwn\n\xff\xfed\xff\xff down\r\n")
    seen = clock.look(look)
    assert seen.matches("Down") == 2
    assert seen[f'beforehand_log_cut_lines_total{{path="{path}"}}'] == 1
    (_, text), *_ = seen.remarks
    assert text == "\ufffd\ufffdd\ufffd\ufffd down"


def test_of_a_flood_lines_are_sampled_evenly_and_the_others_counted(tmp_path: Path) -> None:
    clock = Clock(step_s=0.001)  # each reading of the clock: a block takes 1 ms to look at, or to pass over
    path = tmp_path / "app.log"
    path.write_text("")
    look = looking(path, more=f"cpu_percent_max: 1, {DOWN}")
    clock.look(look)
    count = 1_500_000
    with path.open("a") as file:
        file.writelines(f"{number:08d} down and more words, as lines have them\n" for number in range(count))
    seen = clock.look(look, later_s=1, within_s=0.2)
    dropped = seen[f'beforehand_log_dropped_lines_total{{path="{path}"}}']
    assert lines(seen, path) + dropped == count
    assert seen.matches("Down") == lines(seen, path)
    assert 10_000 < lines(seen, path) < count / 5
    assert int(seen.remarks[0][1][:8]) > count * 0.8
    append(path, "down")
    assert clock.look(look).matches("Down") == seen.matches("Down") + 1


def test_a_backlog_beyond_all_measure_is_jumped_over(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "COUNTED_BYTES_MAX", 100_000)
    path = tmp_path / "app.log"
    path.write_text("")
    look = looking(path, more=f"cpu_percent_max: 0.001, {DOWN}")
    clock.look(look)
    slow = Clock(clock.now_s, step_s=3.0)
    with path.open("a") as file:
        file.writelines("it is down\n" for _ in range(1_000_000))
    seen = slow.look(look, within_s=1000)
    assert seen[f'beforehand_log_bytes_total{{path="{path}"}}'] == 11_000_000
    assert lines(seen, path) + seen[f'beforehand_log_dropped_lines_total{{path="{path}"}}'] < 30_000


def test_a_file_that_may_not_be_read_makes_the_log_unknown(tmp_path: Path, clock: Clock) -> None:
    with tempfile.TemporaryDirectory() as folder, as_nobody(Path(folder)):
        path = Path(folder, "app.log")
        append(path, "x")
        path.chmod(0)
        with pytest.raises(PermissionError, match="let the agent's user into the group"):
            clock.look(looking(path))
        Path(folder).chmod(0)
        with pytest.raises(PermissionError):
            clock.look(looking(path))
        with pytest.raises(PermissionError, match="folder"):
            clock.look(looking(f"{folder}/*.log"))
        Path(folder).chmod(0o700)


def test_too_many_files_make_the_log_unknown(tmp_path: Path, clock: Clock) -> None:
    for number in range(4):
        append(tmp_path / f"{number}.log", "x")
    with pytest.raises(TooMany, match="more than 3 files match"):
        clock.look(looking(tmp_path / "*.log", more="files_max: 3"))


@pytest.mark.parametrize(
    "options",
    [
        "{paths: []}",
        "{paths: [app.log]}",
        "{paths: [/x], files_max: 0}",
        "{paths: [/x], cpu_percent_max: 0}",
        "{paths: [/x], patterns: [{pattern: A, regex: x}, {pattern: A, regex: y}]}",
    ],
)
def test_options_that_mean_nothing_are_refused(options: str) -> None:
    with pytest.raises(Rejected):
        decode(options.encode(), "f", log.Options)


def logrotate(folder: Path, *terms: str) -> None:
    """Rotate app.log now, as logrotate does."""
    configuration = folder / "rotate.conf"
    inner = "\n".join(["rotate 5", "missingok", *terms])
    configuration.write_text(f"{folder}/logs/app.log {{\nsu root root\n{inner}\n}}\n")
    configuration.chmod(0o644)
    argv = ["/usr/sbin/logrotate", "--force", "--state", str(folder / "state"), str(configuration)]
    subprocess.run(argv, check=True, capture_output=True, timeout=30)


@pytest.mark.needs("logrotate")
@pytest.mark.parametrize(
    "terms",
    [
        ("create",),
        ("create", "compress", "delaycompress"),
        ("create", "dateext", "dateformat -%s"),
        ("nocreate",),
        ("copytruncate",),
        ("copytruncate", "compress", "delaycompress"),
        ("copytruncate", "dateext", "dateformat -%s"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("wildcard", ["app.log", "app*"])
def test_logrotate_takes_no_line_away(
    tmp_path: Path, clock: Clock, terms: tuple[str, ...], wildcard: str
) -> None:
    logs = tmp_path / "logs"
    logs.mkdir(mode=0o755)
    path = logs / "app.log"
    append(path, "down before")
    look = looking(logs / wildcard)
    clock.look(look)
    written = 0
    # A date comes from the clock in seconds: a second rotation would find its name taken.
    for turn in range(1 if "dateext" in terms else 4):
        append(path, *(f"{turn} down {number}" for number in range(20)))
        if turn % 2:
            clock.look(look, later_s=1)
        append(path, f"{turn} down and not seen before the rotation")
        logrotate(tmp_path, *terms)
        if turn != 2:
            append(path, f"{turn} down after it")
        written += 21 + (turn != 2)
        assert clock.look(look, later_s=1.1).matches("Down") == written
    for _ in range(8):
        assert clock.look(look).matches("Down") == written


WRITER = """
import sys
number = 0
with open(sys.argv[1], "a", buffering=1) as log:
    while True:
        number += 1
        log.write(f"down {number}\\n")
        if number % 1000 == 0:
            print(number, flush=True)
"""


def test_what_a_writer_wrote_until_it_was_killed_is_counted_to_the_line(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "app.log"
    path.write_text("")
    look = looking(path, more=f"cpu_percent_max: 100, {DOWN}")
    clock.look(look)
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for turn in range(4):
            writer.stdout.readline()
            clock.look(look)
            path.rename(tmp_path / f"app.log.{turn}")
            path.write_text("")
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=10)
    seen = clock.look(look)
    written = (tmp_path / "app.log.0").read_text().count("\n")
    assert written > 0
    assert seen.matches("Down") == written


def passing(from_s: float) -> Callable[[], float]:
    """Return a clock that goes on from here as time really does."""
    began_s = time.monotonic()
    return lambda: from_s + time.monotonic() - began_s


def test_a_hundred_thousand_lines_a_second_stay_within_their_share(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("")
    more = "cpu_percent_max: 5, patterns: [{pattern: Down, regex: 'd[o]wn [0-9]+$'}]"
    look = looking(path, more=more)
    clock = Clock()
    clock.look(look)
    block = "".join(f"2024-01-01T00:00:00 host app[{n}]: request failed, down {n}\n" for n in range(100_000))
    spent_s = 0.0
    for _ in range(10):
        with path.open("a") as file:
            file.write(block)
        clock.now_s += 1
        began_s = time.thread_time()
        seen = Seen(tuple(look(Deadline(clock.now_s + 5, passing(clock.now_s)))))
        spent_s += time.thread_time() - began_s
    dropped = seen[f'beforehand_log_dropped_lines_total{{path="{path}"}}']
    assert lines(seen, path) + dropped == 1_000_000
    # 5 % of ten seconds, what was saved up before, and what listing and passing over cost.
    assert spent_s < 0.5 + 2 + 1
