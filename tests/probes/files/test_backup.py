from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.plugin import Deadline, DeadlinePassed
from probes.files import backup
from probes.files.backup import Tool, Unlisted, last_s, parse_settings
from tests.probes.files.scene import Seen


def look(text: str, within_s: float = 40) -> float:
    options = decode(text.encode(), "f", backup.Options)
    seen = Seen(tuple(backup.run(options, Deadline(time.monotonic() + within_s, time.monotonic))))
    [value] = seen.named("beforehand_backup_last_success_timestamp_seconds").values()
    return value


def do(*argv: object, **environment: str) -> None:
    terms = {"PATH": os.environ["PATH"], **environment}
    subprocess.run([str(arg) for arg in argv], env=terms, check=True, capture_output=True, timeout=50)


def is_now(moment_s: float) -> bool:
    """Tell whether this is the present, in UTC as in any other zone."""
    return abs(moment_s - time.time()) < 600


@pytest.mark.needs("restic")
def test_restic_tells_its_last_snapshot(tmp_path: Path) -> None:
    password, folder, data = tmp_path / "password", tmp_path / "repository", tmp_path / "data"
    password.write_text("secret\n")
    data.write_text("x")
    terms = ("--no-cache", "--repo", folder, "--password-file", password)
    do("restic", *terms, "init")
    told = f"{{tool: restic, name: nightly, repository: {folder}, password_file: {password}}}"
    assert look(told) == 0
    do("restic", *terms, "backup", data)
    assert is_now(look(told))
    password.write_text("wrong\n")
    with pytest.raises(Unlisted, match="restic ended with"):
        look(told)


@pytest.mark.needs("borg")
def test_borg_tells_its_last_archive_whatever_the_time_zone(tmp_path: Path) -> None:
    password, settings, folder, data = (tmp_path / name for name in ("password", "settings", "borg", "data"))
    password.write_text("secret\n")
    settings.write_text(f"# where it keeps what it knows\nexport BORG_BASE_DIR='{tmp_path}/base'\n")
    data.write_text("x")
    terms = {"BORG_PASSPHRASE": "secret", "BORG_BASE_DIR": f"{tmp_path}/base", "TZ": "Asia/Tokyo"}
    do("borg", "init", "--encryption=repokey", folder, **terms)
    told = f"{{tool: borg, name: nightly, repository: {folder}, environment_file: {settings}"
    assert look(f"{told}, password_file: {password}}}") == 0
    do("borg", "create", f"{folder}::one", data, **terms)
    assert is_now(look(f"{told}, password_file: {password}}}"))
    with pytest.raises(Unlisted, match="borg ended with"):
        look(f"{told}}}")


@pytest.mark.needs("pgbackrest")
def test_pgbackrest_without_any_backup_is_told_as_never(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    settings = tmp_path / "settings"
    settings.write_text(f"PGBACKREST_REPO1_PATH={tmp_path}/repository\nPGBACKREST_LOG_LEVEL_FILE=off\n")
    assert look(f"{{tool: pgbackrest, name: main, environment_file: {settings}}}") == 0


def test_a_failed_backup_of_pgbackrest_does_not_count() -> None:
    backups = [
        {"label": "20260301-120000F", "error": False, "timestamp": {"start": 1772366400, "stop": 1772366460}},
        {"label": "20260302-120000F", "error": True, "timestamp": {"start": 1772452800, "stop": 1772452860}},
    ]
    listing = [{"name": "main", "status": {"code": 0}, "backup": backups}]
    assert last_s("pgbackrest", json.dumps(listing).encode()) == 1772366460


def test_the_newest_file_that_is_no_stub_counts(tmp_path: Path) -> None:
    told = f"{{tool: file, name: dump, paths: ['{tmp_path}/*.sql'], bytes_min: 10}}"
    assert look(told) == 0
    for at_s, (name, size) in enumerate((("a.sql", 100), ("b.sql", 100), ("c.sql", 9), ("d.txt", 100)), 1000):
        (tmp_path / name).write_bytes(b"x" * size)
        os.utime(tmp_path / name, (at_s, at_s))
    assert look(told) == 1001


def test_a_tool_that_hangs_or_is_missing_leaves_the_backup_unknown(tmp_path: Path) -> None:
    tool = tmp_path / "restic"
    tool.write_text("#!/bin/sh\nsleep 60\n")
    tool.chmod(0o755)
    told = f"{{tool: restic, name: nightly, repository: /nowhere, program: {tool}}}"
    with pytest.raises(DeadlinePassed):
        look(told, within_s=1)
    tool.unlink()
    with pytest.raises(Exception, match="is not there"):
        look(told)


@pytest.mark.parametrize("tool", ["restic", "borg", "pgbackrest"])
@pytest.mark.parametrize(
    "listing",
    [b"", b"5", b"{}", b"[5]", b'[{"time": 5}]', b'[{"time": "soon"}]', b'{"archives": [{}]}', b"[" * 100_000,
     b'[{"backup": [{"timestamp": {"stop": "x"}}]}]'],
)  # fmt: skip  # the cases on two lines
def test_a_listing_that_is_none_leaves_the_backup_unknown(tool: Tool, listing: bytes) -> None:
    with pytest.raises(Unlisted):
        last_s(tool, listing)


def test_settings_are_read_as_systemd_reads_them() -> None:
    text = "# a comment\nA=1\nexport B='two words'\nC=\"x=y\"\n\nno setting\n  D=4  \n"
    assert parse_settings(text) == {"A": "1", "B": "two words", "C": "x=y", "D": "4"}


@pytest.mark.parametrize(
    "options",
    ["{tool: tar, name: a}", "{tool: file, name: a}", "{tool: restic, name: a}", "{tool: borg, name: 'a b'}",
     "{tool: borg, name: a, repository: --help}",
     "{tool: restic, name: a, repository: 'rest:https://user:secret@host/'}"],
)  # fmt: skip  # the cases on two lines
def test_options_that_mean_nothing_are_refused(options: str) -> None:
    with pytest.raises(Rejected):
        decode(options.encode(), "f", backup.Options)
