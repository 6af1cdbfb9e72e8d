"""Backups: when the last one succeeded, as restic, borg or pgBackRest say, or the files that a tool leaves.

0 stands for never. A tool that cannot be asked leaves it unknown: that says nothing of the backup.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from model.duration import seconds
from model.misfit import Misfit
from model.plugin import Deadline, DeadlinePassed, Probe
from model.sample import Metric, Sample
from probes import program
from probes.files.paths import ExactPath, FilePath, all_found
from probes.host.roots import this_host
from probes.rfc3339 import moment_s

LISTING_BYTES_MAX: Final = 4 << 20
SETTINGS_BYTES_MAX: Final = 65536
FILES_MAX: Final = 1000

LAST_SUCCESS = Metric(
    "beforehand_backup_last_success_timestamp_seconds",
    "When the last backup that succeeded ended, in seconds since 1970; 0 for never.",
    labels=("tool", "name"),
)

Tool = Literal["restic", "borg", "pgbackrest", "file"]
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_SETTING: Final = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(['\"]?)(.*?)\2\s*")
_WITH_PASSWORD: Final = re.compile(r"://[^/@]*:[^/@]*@")


class Unlisted(Exception):
    """The tool did not list its backups; the text is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """Which backup to look for.

    ``tool`` is restic, borg, pgbackrest or file; ``name`` is for the label, and for pgbackrest the stanza.
    restic and borg need the ``repository`` and mostly a ``password_file``; ``environment_file`` holds more
    settings for them, NAME=value in each line. ``program`` is where the tool is, ``user`` as whom it runs.
    With file, the newest of the files that ``paths`` stand for counts, if it has at least ``bytes_min``.
    """

    tool: Tool
    name: str
    repository: str = ""
    password_file: ExactPath | None = None
    environment_file: ExactPath | None = None
    program: ExactPath | None = None
    user: str = ""
    paths: tuple[FilePath, ...] = ()
    bytes_min: int = 1

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Misfit(f"{self.name[:80]!r} cannot name a backup", "write a word, like nightly", key="name")
        if self.tool == "file" and not self.paths:
            raise Misfit("nothing says which files are meant", "add paths:")
        if self.tool in ("restic", "borg") and not self.repository:
            raise Misfit(f"{self.tool} needs to know where the backups are", "add repository:")
        if self.repository.startswith("-") or _WITH_PASSWORD.search(self.repository):
            cure = "put passwords into the environment_file"
            raise Misfit("the repository is an option, or has a password in it", cure, key="repository")

    @property
    def argv(self) -> tuple[str, ...]:
        """The command that lists the last backup."""
        path = self.program.text if self.program else f"/usr/bin/{self.tool}"
        if self.tool == "restic":
            password = (f"--password-file={self.password_file}",) if self.password_file else ()
            terms = ("--json", "--no-lock", "--no-cache", "--latest=1", f"--repo={self.repository}")
            return (path, "snapshots", *terms, *password)
        if self.tool == "borg":
            return (path, "list", "--json", "--last=1", "--bypass-lock", self.repository)
        return (path, "info", "--output=json", f"--stanza={self.name}")

    def environment(self) -> dict[str, str]:
        """Return the settings for the tool: those of its file, and what makes it tell times in UTC."""
        settings = {"TZ": "UTC"}
        if self.environment_file:
            settings |= parse_settings(_read(self.environment_file))
        if self.tool == "borg" and self.password_file:
            settings["BORG_PASSPHRASE"] = _read(self.password_file).rstrip("\r\n")
        return settings


def _read(path: ExactPath) -> str:
    with Path(path.text).open("rb") as file:
        return file.read(SETTINGS_BYTES_MAX).decode("utf-8", "replace")


def parse_settings(text: str) -> Mapping[str, str]:
    """Return the settings of a file in the form of systemd's EnvironmentFile, each in one line."""
    found = (_SETTING.fullmatch(line) for line in text.splitlines())
    return {setting[1]: setting[3] for setting in found if setting is not None}


def last_s(tool: Tool, listing: bytes) -> float:
    """Return when the last backup of a listing was made, 0 where there is none, or raise ``Unlisted``."""
    try:
        told = json.loads(listing)
        if tool == "restic":
            moments = [moment_s(snapshot["time"]) for snapshot in told]
        elif tool == "borg":
            moments = [moment_s(archive["time"]) for archive in told["archives"]]
        else:
            backups = [backup for stanza in told for backup in stanza["backup"]]
            moments = [float(one["timestamp"]["stop"]) for one in backups if not one.get("error")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        told, moments = None, []
    if not isinstance(told, dict if tool == "borg" else list):
        raise Unlisted(f"what {tool} lists cannot be read")
    known = [moment for moment in moments if moment is not None]
    if len(known) < len(moments):
        raise Unlisted(f"what {tool} lists has a time that cannot be read")
    return max(known, default=0.0)


def run(options: Options, deadline: Deadline) -> Iterator[Sample]:
    """Yield when the last backup succeeded."""
    made_s = _newest_s(options) if options.tool == "file" else _listed_s(options, deadline)
    yield LAST_SUCCESS(made_s, tool=options.tool, name=options.name)


def _listed_s(options: Options, deadline: Deadline) -> float:
    done = program.run(
        options.argv,
        deadline,
        environment=options.environment(),
        user=options.user,
        output_bytes_max=LISTING_BYTES_MAX,
    )
    if done.overtime:
        raise DeadlinePassed
    if done.code != 0:
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
        raise Unlisted(
            f"{options.tool} ended with {done.code if done.code is not None else 'a signal'}: {said}"
        )
    return last_s(options.tool, done.stdout)


def _newest_s(options: Options) -> float:
    newest_s = 0.0
    for _, path in all_found(options.paths, FILES_MAX):
        try:
            facts = Path(path).lstat()
        except FileNotFoundError:
            continue  # gone since it was listed
        if facts.st_size >= options.bytes_min:
            newest_s = max(newest_s, facts.st_mtime)
    return newest_s


def _subject(options: Options) -> str:
    return options.name


PROBE = Probe(
    "backup", Options, run, (LAST_SUCCESS,),
    job="node", target=this_host, subject=_subject, every=seconds(3600), timeout=seconds(60),
)  # fmt: skip  # the head on one line
