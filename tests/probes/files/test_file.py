from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Look
from probes.files import file
from probes.files.paths import TooMany
from tests.probes.files.scene import Clock, Seen, as_nobody


def looking(text: str) -> Look:
    return file.begin(decode(text.encode(), "f", file.Options))


def look(text: str) -> Seen:
    return Clock().look(looking(text))


def test_a_file_is_told_with_its_age_size_owner_and_rights(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("hello")
    path.chmod(0o640)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert look(f"{{paths: [{path}]}}").values == {
        f'beforehand_file_exists{{path="{path}"}}': 1,
        f'beforehand_file_mtime_timestamp_seconds{{path="{path}"}}': 1_700_000_000,
        f'beforehand_file_size_bytes{{path="{path}"}}': 5,
        f'beforehand_file_mode{{path="{path}"}}': 640,
        f'beforehand_file_uid{{path="{path}"}}': os.getuid(),
        f'beforehand_file_gid{{path="{path}"}}': path.stat().st_gid,
    }


def test_a_file_that_is_missing_is_told_as_missing_and_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    seen = look(f"{{paths: [{path}]}}")
    assert seen.values == {f'beforehand_file_exists{{path="{path}"}}': 0}
    assert seen.wishes == [str(path)]


def test_what_is_hidden_is_unknown_and_not_missing() -> None:
    with tempfile.TemporaryDirectory() as folder, as_nobody(Path(folder)):
        Path(folder, "below").mkdir(mode=0)
        for text in (
            f"paths: [{folder}/below/a]",
            f"paths: ['{folder}/below/*']",
            f"directories: [{folder}/below]",
        ):
            with pytest.raises(PermissionError):
                look(f"{{{text}}}")
        seen = look(f"{{directories: [{folder}]}}")
        assert seen[f'beforehand_dir_complete{{path="{folder}"}}'] == 0


def test_wildcards_are_counted_and_bounded(tmp_path: Path) -> None:
    for name in ("a.db", "b.db", "c.txt"):
        (tmp_path / name).touch()
    seen = look(f"{{paths: ['{tmp_path}/*.db']}}")
    assert seen[f'beforehand_file_matches{{path="{tmp_path}/*.db"}}'] == 2
    assert len(seen.named("beforehand_file_exists")) == 2
    assert look(f"{{paths: ['{tmp_path}/*.none']}}").values == {
        f'beforehand_file_matches{{path="{tmp_path}/*.none"}}': 0
    }
    with pytest.raises(TooMany):
        look(f"{{paths: ['{tmp_path}/*'], files_max: 2}}")


def test_a_change_of_content_is_counted_and_a_touch_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    series = f'beforehand_file_changes_total{{path="{path}"}}'
    clock, one = Clock(), looking(f"{{paths: [{path}], hash: true}}")
    assert clock.look(one)[series] == 0
    os.utime(path, (1, 1))
    assert clock.look(one)[series] == 0
    path.write_text("two")
    os.utime(path, (1, 1))
    assert clock.look(one)[series] == 1
    (tmp_path / "b").write_text("three")
    (tmp_path / "b").rename(path)
    assert clock.look(one)[series] == 2


def test_a_file_too_big_to_be_hashed_has_no_count(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch()
    os.truncate(path, file.HASHED_BYTES_MAX + 1)
    assert look(f"{{paths: [{path}], hash: true}}").named("beforehand_file_changes_total") == {}


def test_a_link_is_followed_only_when_asked(tmp_path: Path) -> None:
    target, link, broken = tmp_path / "target", tmp_path / "link", tmp_path / "broken"
    target.write_text("x" * 100)
    link.symlink_to(target)
    broken.symlink_to(tmp_path / "nowhere")
    size = f'beforehand_file_size_bytes{{path="{link}"}}'
    assert look(f"{{paths: [{link}], hash: true}}")[size] == len(str(target))
    assert look(f"{{paths: [{link}], symlinks: true}}")[size] == 100
    assert look(f"{{paths: [{broken}]}}")[f'beforehand_file_exists{{path="{broken}"}}'] == 1
    assert look(f"{{paths: [{broken}], symlinks: true}}")[f'beforehand_file_exists{{path="{broken}"}}'] == 0


def test_the_files_below_a_folder_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for number, name in enumerate(("a", "deep/b", "deep/er/c")):
        (tmp_path / name).write_text("x" * 10)
        os.utime(tmp_path / name, (1000 + number, 1000 + number))
    (tmp_path / "loop").symlink_to(tmp_path)
    os.utime(tmp_path / "loop", (1001, 1001), follow_symlinks=False)
    seen = look(f"{{directories: [{tmp_path}]}}")
    label = f'{{path="{tmp_path}"}}'
    assert seen[f"beforehand_dir_files{label}"] == 4
    assert seen[f"beforehand_dir_bytes{label}"] == 30 + len(str(tmp_path))
    assert seen[f"beforehand_dir_newest_mtime_timestamp_seconds{label}"] == 1002
    assert seen[f"beforehand_dir_oldest_mtime_timestamp_seconds{label}"] == 1000
    assert seen[f"beforehand_dir_complete{label}"] == 1


def test_a_folder_with_too_much_in_it_is_told_as_incomplete(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).touch()
    seen = look(f"{{directories: [{tmp_path}], entries_max: 10}}")
    assert seen[f'beforehand_dir_complete{{path="{tmp_path}"}}'] == 0
    assert seen[f'beforehand_dir_files{{path="{tmp_path}"}}'] == 10


def test_a_folder_that_takes_too_long_is_told_as_incomplete(tmp_path: Path) -> None:
    for number in range(1500):
        (tmp_path / str(number)).touch()
    clock = Clock(step_s=3)
    seen = clock.look(looking(f"{{directories: [{tmp_path}]}}"), within_s=10)
    assert seen[f'beforehand_dir_complete{{path="{tmp_path}"}}'] == 0


def test_an_empty_folder_and_a_missing_one_differ(tmp_path: Path) -> None:
    seen = look(f"{{directories: [{tmp_path}, {tmp_path}/none]}}")
    assert seen.values == {
        f'beforehand_file_exists{{path="{tmp_path}"}}': 1,
        f'beforehand_dir_files{{path="{tmp_path}"}}': 0,
        f'beforehand_dir_bytes{{path="{tmp_path}"}}': 0,
        f'beforehand_dir_complete{{path="{tmp_path}"}}': 1,
        f'beforehand_file_exists{{path="{tmp_path}/none"}}': 0,
    }


def test_a_name_that_is_no_text_does_no_harm(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n")).touch()
    seen = look(f"{{paths: ['{tmp_path}/*']}}")
    assert len(seen.named("beforehand_file_exists")) == 1


@pytest.mark.parametrize(
    "options",
    ["{}", "{paths: [relative]}", "{directories: [tmp]}", "{paths: [/a], files_max: 0}",
     "{directories: [/a], entries_max: 0}", '{paths: ["/a\\0"]}'],
)  # fmt: skip  # the cases on two lines
def test_options_that_mean_nothing_are_refused(options: str) -> None:
    with pytest.raises(Rejected):
        decode(options.encode(), "f", file.Options)
