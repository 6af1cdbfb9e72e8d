from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.deed import Mount
from remediations.deeds import mount
from tests.remediations.deeds.disk import done, run, small_disk

pytestmark = pytest.mark.needs("root")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a table of mounts of our own names."""
    place = tmp_path / "with space"
    place.mkdir()
    table = tmp_path / "fstab"
    written = str(place).replace(" ", "\\040")
    table.write_text(f"# ours\ntmpfs {written} tmpfs size=1m,noauto 0 0\ntmpfs / tmpfs noauto 0 0\n")
    monkeypatch.setattr(mount, "FSTAB", str(table))
    try:
        run("mount", "--fstab", str(table), str(place))
        run("umount", str(place))
    except subprocess.CalledProcessError:
        pytest.skip("this machine does not let root mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def test_a_mount_is_made_changed_and_taken_back(tmp_path: Path, place: Path) -> None:
    keep, path = tmp_path / "keep", str(place)
    told = done(keep, Mount(path, "mounted"), check=True)
    assert told.diff.startswith("would run mount")
    assert mount.mounted(path) is None

    assert done(keep, Mount(path, "mounted")).changed
    assert not done(keep, Mount(path, "mounted")).changed
    now = mount.mounted(path)
    assert now is not None
    assert (now.kind, now.mode) == ("tmpfs", "rw")

    assert done(keep, Mount(path, "remounted", "ro"), run="r2").changed
    with pytest.raises(OSError, match="Read-only"):
        (place / "x").touch()
    assert done(keep, Mount(path, "remounted", "rw", back=True), run="r2").changed
    (place / "x").touch()

    assert done(keep, Mount(path, "unmounted", back=True)).changed
    assert mount.mounted(path) is None


def test_what_this_run_did_not_touch_is_not_taken_back(tmp_path: Path, place: Path) -> None:
    done(tmp_path / "keep", Mount(str(place), "mounted"))
    result = done(tmp_path / "keep", Mount(str(place), "unmounted", back=True), run="another")
    assert result.ok
    assert mount.mounted(str(place)) is not None


def test_a_mount_that_is_in_use_stays_and_that_is_said(tmp_path: Path, place: Path) -> None:
    done(tmp_path / "keep", Mount(str(place), "mounted"))
    with (place / "open").open("w"):
        result = done(tmp_path / "keep", Mount(str(place), "unmounted"))
    assert not result.ok
    assert "busy" in result.output
    assert mount.mounted(str(place)) is not None


def test_only_what_the_table_names_is_touched_and_never_what_carries_the_host(
    tmp_path: Path, place: Path
) -> None:
    other = done(tmp_path / "keep", Mount(str(tmp_path), "mounted"))
    assert "does not name" in other.reason
    assert "carries the host" in done(tmp_path / "keep", Mount("/", "unmounted")).reason
    assert "nothing is mounted" in done(tmp_path / "keep", Mount(str(place), "remounted", "ro")).reason


def test_a_table_that_others_may_write_to_is_not_believed(tmp_path: Path, place: Path) -> None:
    Path(mount.FSTAB).chmod(0o666)
    assert "others than its owner" in done(tmp_path / "keep", Mount(str(place), "mounted")).reason


@pytest.mark.needs("mkfs.ext4")
def test_an_ext4_that_has_recorded_errors_is_not_made_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path) as disk:
        table = tmp_path / "fstab"
        table.write_text(f"/dev/null {disk} ext4 noauto 0 0\n")
        monkeypatch.setattr(mount, "FSTAB", str(table))
        assert done(tmp_path / "keep", Mount(str(disk), "remounted", "ro")).changed
        assert done(tmp_path / "keep", Mount(str(disk), "remounted", "rw")).changed
        now = mount.mounted(str(disk))
        assert now is not None
        trigger = Path(f"/sys/fs/ext4/{Path(now.source).name}/trigger_fs_error")
        if not trigger.exists():
            pytest.skip("this kernel cannot pretend an error")
        trigger.write_text("a test")
        run("mount", "-o", "remount,ro", str(disk))
        result = done(tmp_path / "keep", Mount(str(disk), "remounted", "rw"))
        assert "has recorded errors" in result.reason
        now = mount.mounted(str(disk))
        assert now is not None
        assert now.mode == "ro"
