"""The command ``beforehand init``: look at this host, and write the configuration that fits it."""

from __future__ import annotations

import argparse
import difflib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TextIO

from agent import files
from agent.checking.plan import printable
from agent.cli import EX_CHANGES, EX_FAILED, EX_OK
from agent.discovery.find import HERE, find
from agent.discovery.finding import Findings
from agent.discovery.shipped import Shipped
from agent.discovery.skeleton import CATALOGUE, DESK
from agent.discovery.suggest import suggest
from agent.discovery.trees import Trees
from agent.discovery.write import write
from model.misfit import Rejected
from model.yaml_tree import FILE_BYTES_MAX

MODE: Final = 0o640
FOLDER_MODE: Final = 0o755
AGENT: Final = "agent.yaml"
_BESIDE: Final = (("desk.yaml", DESK), ("catalogue.yaml", CATALOGUE))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    usual = usual_folder(dict(os.environ), os.getuid())
    parser.add_argument(
        "--config", type=Path, default=usual, help=f"the directory to write to (default {usual})"
    )
    parser.add_argument("--agent-only", action="store_true", help="write no desk.yaml and no catalogue.yaml")
    parser.add_argument("--print", action="store_true", help="print agent.yaml, and write nothing")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write agent.yaml to this new file instead"
    )


def usual_folder(environment: Mapping[str, str], uid: int) -> Path:
    """Return where the configuration lies when nobody says: root's, or the user's own."""
    if uid == 0:
        return Path("/etc/beforehand")
    home = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME', '.')}/.config"
    return Path(home) / "beforehand"


def command(
    options: argparse.Namespace,
    out: TextIO,
    err: TextIO,
    monotonic: Callable[[], float],
    trees: Trees = HERE,
) -> int:
    """Look, then write what is not there yet, or show how it differs; returns the exit code."""
    findings = find(trees, monotonic)
    text = write(suggest(findings, Shipped.read()), alone=options.agent_only)
    _tell(findings, err)
    if options.print:
        out.write(text)
        return EX_OK
    try:
        if options.write:
            written(options.write, text)
            print(f"wrote {options.write}", file=out)
            return EX_OK
        return _into(options.config, text, out, alone=options.agent_only)
    except Rejected as refused:
        print(refused, file=err)
    except FileExistsError as wrong:
        print(f"{wrong.filename2 or wrong.filename} is there already; it is not overwritten", file=err)
    except OSError as wrong:
        print(f"nothing written: {wrong.filename}: {wrong.strerror}", file=err)
    return EX_FAILED


def _tell(findings: Findings, err: TextIO) -> None:
    for one in findings.unseen:
        print(f"not looked at: {printable(str(one))}", file=err)


def _into(folder: Path, text: str, out: TextIO, *, alone: bool) -> int:
    """Write the files that are missing; of an agent.yaml that is there, show the difference."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    path = folder / AGENT
    if os.path.lexists(path):  # a link that leads nowhere is there as well
        lines = list(difference(files.read(path, FILE_BYTES_MAX), text, str(path)))
        print(*lines, sep="\n", end="\n" * bool(lines), file=out)
        return EX_CHANGES if lines else EX_OK
    missing = () if alone else tuple(pair for pair in _BESIDE if not os.path.lexists(folder / pair[0]))
    # agent.yaml comes last: once it is there, nothing is written any more.
    for name, content in (*missing, (AGENT, text)):
        written(folder / name, content)
        print(f"wrote {folder / name}", file=out)
    return EX_OK


def written(path: Path, text: str) -> None:
    """Write a new file whole or not at all; whatever stands at its path, also a link, is FileExistsError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    end = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    try:
        with os.fdopen(end, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), MODE)  # whatever the umask says
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it replaces nothing
    finally:
        draft.unlink()


def difference(standing: bytes, text: str, path: str) -> Iterator[str]:
    """Yield a unified diff from what stands to what would be written, fit for a terminal."""
    before = standing.decode("utf-8", "replace").splitlines()
    for line in difflib.unified_diff(
        before, text.splitlines(), path, "what would be written now", lineterm=""
    ):
        yield printable(line)
