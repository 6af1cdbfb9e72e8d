"""What nginx's configuration says of pid file, status page, logs and certificates; read, never judged.

Its syntax: https://nginx.org/en/docs/beginners_guide.html#conf_structure. Blocks of other languages inside
it are read as words, which does no harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Final

from agent.discovery.trees import Trees
from probes.service import proc

USUAL: Final = "/etc/nginx/nginx.conf"
FILES_MAX: Final = 200
DEPTH_MAX: Final = 8
DIRECTIVES_MAX: Final = 20_000

_TOKEN: Final = re.compile(
    r"""\#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|(?:\\.|\$\{\w*\}|[^\s{};\\])+""", re.DOTALL
)
_MASTER: Final = re.compile(r"nginx: master process (.*)")
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Block:
    """The head of a block, with a number of its own."""

    words: tuple[str, ...]
    number: int


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive with the blocks that it stands in, the outermost first, and its file."""

    words: tuple[str, ...]
    inside: tuple[Block, ...]
    file: str

    @property
    def server(self) -> int:
        """The number of the server block that it stands in, 0 for none."""
        return next((block.number for block in self.inside if block.words[:1] == ("server",)), 0)


def main_file(command: str) -> str:
    """Return the configuration that a command line names, or the usual one."""
    words = command.split(" ")
    named = [after for word, after in pairwise(words) if word == "-c"]
    return named[-1] if named and named[-1].startswith("/") else USUAL


def pidfile(trees: Trees, command: str, pid: int) -> str:
    """Return the pid file that the configuration of an nginx names, if it names this process."""
    if not _MASTER.match(command):
        return ""
    for one in directives(trees, main_file(command)):
        if one.words[0] == "pid" and len(one.words) == 2 and one.words[1].startswith("/"):
            path = one.words[1]
            return path if proc.parse_pidfile(trees.text(path).encode("utf-8", "replace")) == pid else ""
    return ""


def values(found: list[Directive], name: str) -> Iterator[str]:
    """Yield the first value of each directive of this name that is an absolute path without a variable."""
    for one in found:
        if (
            one.words[0] == name
            and len(one.words) > 1
            and one.words[1].startswith("/")
            and "$" not in one.words[1]
        ):
            yield one.words[1]


def directives(trees: Trees, path: str) -> list[Directive]:
    """Return all directives of a configuration with those of the files that it includes; what it can."""
    reading = _Reading(trees, str(PurePosixPath(path).parent))
    reading.read(path, ())
    return reading.found


@dataclass(slots=True)
class _Reading:
    trees: Trees
    base: str
    found: list[Directive] = field(default_factory=list)
    files: int = 0
    blocks: int = 0

    def read(self, path: str, inside: tuple[Block, ...], depth: int = 0) -> None:
        self.files += 1
        if depth > DEPTH_MAX or self.files > FILES_MAX:
            return
        words: list[str] = []
        for mark in map(_unquoted, _TOKEN.findall(self.trees.text(path))):
            if mark == ";":
                self._take(Directive(tuple(words), inside, path), depth)
                words = []
            elif mark == "{":
                self.blocks += 1
                inside = (*inside, Block(tuple(words), self.blocks))
                words = []
            elif mark == "}":
                inside, words = inside[:-1], []
            elif not mark.startswith("#"):
                words.append(mark)

    def _take(self, one: Directive, depth: int) -> None:
        if not one.words or len(self.found) >= DIRECTIVES_MAX:
            return
        if one.words[0] == "include" and len(one.words) == 2:
            asked = one.words[1] if one.words[1].startswith("/") else f"{self.base}/{one.words[1]}"
            for path in self.trees.matching(asked):
                self.read(path, one.inside, depth + 1)
        else:
            self.found.append(one)


def _unquoted(token: str) -> str:
    return token[1:-1] if token[0] in "\"'" and token[0] == token[-1] and len(token) > 1 else token


def status_pages(found: list[Directive]) -> Iterator[tuple[str, str]]:
    """Yield the URL of each location with ``stub_status`` that loopback reaches, with the file it is in."""
    first = _first_servers(found)
    for one in found:
        path = _path(one.inside[-1].words) if one.words[0] == "stub_status" and one.inside else ""
        if not path:
            continue
        names = [name for each in _of_server(found, one.server, "server_name") for name in each.words[1:]]
        local = next((name for name in _LOCAL_NAMES if name in names), "")
        for host, port in _addresses(found, one.server):
            if local or first.get((host, port), one.server) == one.server:
                yield f"http://{local or host}:{port}{path}", one.file
                break


def _first_servers(found: list[Directive]) -> dict[tuple[str, int], int]:
    """Return which server answers at each address where no name is known: the first, or the default one."""
    first: dict[tuple[str, int], int] = {}
    for one in found:
        at = _address(one.words[1]) if one.words[0] == "listen" and len(one.words) > 1 else None
        if at is not None and ("default_server" in one.words or at not in first):
            first[at] = one.server
    return first


def _of_server(found: list[Directive], server: int, name: str) -> list[Directive]:
    return [one for one in found if one.server == server and one.words[0] == name and len(one.words) > 1]


def _path(head: tuple[str, ...]) -> str:
    """Return the path of a location; those by regular expressions have none."""
    if head[:1] != ("location",) or len(head) < 2 or head[1] in ("~", "~*"):
        return ""
    return head[-1] if head[-1].startswith("/") else ""


def _addresses(found: list[Directive], server: int) -> list[tuple[str, int]]:
    listens = [one.words for one in _of_server(found, server, "listen")]
    plain = [_address(words[1]) for words in listens if "ssl" not in words]
    return [at for at in plain if at is not None] if listens else [("127.0.0.1", 80)]


def _address(text: str) -> tuple[str, int] | None:
    """Return the loopback address by which a ``listen`` is reached; None where none is."""
    host, _, port = text.rpartition(":") if not text.endswith("]") else (text, "", "80")
    if not port.isascii() or not port.isdecimal() or len(port) > 5:
        host, port = text, "80"
    if host in ("", "*", "0.0.0.0", "localhost"):  # noqa: S104  # read, not bound
        return "127.0.0.1", int(port)
    if host in ("[::]", "[::1]"):
        return "[::1]", int(port)
    return (host, int(port)) if host.startswith("127.") else None
