"""People's answers on this host: the folder ``approvals`` in the state folder, a sealed file for each."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.approval.key import NoKey, key_file, made_key, read_key
from agent.state import StateDirectory
from model.grant import Grant, genuine
from remediations.asking.asked import grant_of, word
from remediations.mark import Unread, read
from remediations.surroundings import People

FILES_MAX: Final = 1_000
ANSWER_BYTES_MAX: Final = 4096
ASK_BYTES: Final = 16

_NAME: Final = re.compile(r"([0-9a-f]{32})\.[A-Za-z0-9_@+-][A-Za-z0-9._@+-]{0,79}\.json")
_PERSON: Final = re.compile(r"[A-Za-z0-9_@+-][A-Za-z0-9._@+-]{0,79}")

log = logging.getLogger("beforehand.approvals")


@dataclass(frozen=True, slots=True)
class Answers:
    """What lies in the folder at this path; what cannot be an answer is left aside, unread or unheard."""

    path: Path

    def given(self) -> tuple[Grant, ...]:
        """Return what was answered, at most 1 000; whoever made it."""
        try:
            with os.scandir(self.path) as entries:
                names = sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))[:FILES_MAX]
        except OSError:
            return ()
        found = (self._answer(name) for name in names)
        return tuple(one for one in found if one is not None)

    def give(self, grant: Grant, now_ms: int) -> None:
        """Put an answer there, whole, and take away what is over; may raise ``OSError``."""
        name = grant.by if _PERSON.fullmatch(grant.by) else hashlib.sha256(grant.by.encode()).hexdigest()
        with self._folder() as folder:
            # Root writes where the agent may: nothing but new files below a real folder, by its descriptor.
            draft = f".{grant.ask}.{os.getpid()}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(draft, flags, 0o644, dir_fd=folder)
            with os.fdopen(fd, "wb") as file:
                file.write(word(grant).encode())
                file.flush()
                os.fsync(file.fileno())
            os.rename(draft, f"{grant.ask}.{name}.json", src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
            for old, one in self._each(folder):
                if one is not None and one.until_ms < now_ms:
                    os.unlink(old, dir_fd=folder)

    def _answer(self, name: str) -> Grant | None:
        try:
            data = read(self.path / name, ANSWER_BYTES_MAX)
        except Unread:
            return None
        grant = grant_of(data) if data else None
        return grant if grant is not None and name.startswith(f"{grant.ask}.") else None

    def _each(self, folder: int) -> Iterator[tuple[str, Grant | None]]:
        for name in os.listdir(folder)[:FILES_MAX]:
            if _NAME.fullmatch(name):
                yield name, self._answer(name)

    @contextmanager
    def _folder(self) -> Iterator[int]:
        self.path.mkdir(mode=0o755, exist_ok=True)
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)


def people(
    host: str, state: StateDirectory, fetched: Callable[[], Sequence[Grant]], *, alone: bool
) -> People:
    """Return how people are asked by the agent that keeps its state here; ``fetched`` is what desks told.

    ``alone`` says that no hand of its own judges their seals. Then the agent must, and has a key of its own
    where the host has none; else a seal that it cannot judge is left to the hand.
    """
    answers, path = Answers(state.approvals), key_file(state.path)
    try:
        key = made_key(path) if alone else read_key(path)
    except NoKey as wrong:
        if alone:
            log.error("nothing can be approved: %s", wrong)  # noqa: TRY400  a fact, no bug
        key = b""

    def believed(grant: Grant) -> bool:
        return genuine(grant, key) if key else not alone

    return People(
        host=host,
        name=lambda: secrets.token_hex(ASK_BYTES),
        answers=lambda: (*answers.given(), *fetched()),
        genuine=believed,
    )
