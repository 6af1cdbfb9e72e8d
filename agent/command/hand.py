"""The command ``beforehand hand``: the privileged process beside an agent that has no rights of its own.

It loads playbooks and what carries out their steps, and nothing of the agent: no probe, no rule, no network.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import logging
import os
import pwd
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import remediations.playbooks
from agent import files
from agent.approval.key import SHARED
from agent.cli import EX_CONFIG, EX_FAILED
from agent.clock import Clock, since_boot_ms
from agent.logs import to_standard_error
from agent.notify import Notify
from agent.state import here, switch_file
from model.decode import MISSING, Decoder
from model.grant import key_of
from model.misfit import Misfit, Place, Problem, Rejected
from model.yaml_tree import FILE_BYTES_MAX, Mapping, Node, read_tree
from remediations.apart.allowed import Allowed, compiled
from remediations.apart.book import HandBook
from remediations.apart.server import HandServer, Surroundings, listening
from remediations.apart.trusted import read_secret, read_trusted
from remediations.asking.approval import people
from remediations.asking.consent import Identity
from remediations.hand import Hand
from remediations.host import this_host
from remediations.kill_switch import KillSwitch
from remediations.writing.playbook import Playbook, load_playbook, together

CONFIG: Final = Path("/etc/beforehand/agent.yaml")
SOCKET: Final = Path("/run/beforehand/hand.sock")
USER: Final = "beforehand"

_KEY_BYTES_MAX: Final = 256

log = logging.getLogger("beforehand.hand")


def main(words: Sequence[str]) -> int:
    """Parse the words after ``hand`` and serve until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser("beforehand hand", description="Take steps for an agent without rights.")
    add_options(parser)
    options = parser.parse_args(words)
    to_standard_error(verbose=False)
    return command(options)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--config", type=Path, default=CONFIG, help=f"the agent's file (default {CONFIG})")
    parser.add_argument("--socket", type=Path, default=SOCKET, help=f"where to listen (default {SOCKET})")
    parser.add_argument("--state", type=Path, default=here() / "hand", help="where the hand keeps its books")
    parser.add_argument("--user", default=USER, help=f"the agent's user, by name or number (default {USER})")
    parser.add_argument(
        "--approval-key",
        type=Path,
        default=SHARED,
        help=f"root's file of the approval key (default {SHARED})",
    )


def command(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code."""
    clock = Clock()
    notify = Notify(dict(os.environ), clock.monotonic)
    with contextlib.ExitStack() as held:
        try:
            agent = user(options.user)
            allowed = load(options.config, options.approval_key)
            held.enter_context(_locked(options.state))
            book = held.enter_context(contextlib.closing(HandBook(options.state)))
            hand = held.enter_context(
                contextlib.closing(Hand(clock.monotonic, clock.now_ms, options.state / "undo"))
            )
            listener = held.enter_context(listening(options.socket, agent.gid))
        except Rejected as refused:
            sys.stderr.write(f"{refused}\n")
            return EX_CONFIG
        except OSError as wrong:
            sys.stderr.write(f"the hand cannot start: {wrong}\n")
            return EX_FAILED
        switch = KillSwitch(switch_file(options.state))
        around = Surroundings(
            agent.uid, hand, book, switch, clock.monotonic, clock.now_ms, since_boot_ms, notify.alive
        )
        server = held.enter_context(contextlib.closing(HandServer(listener, around, allowed)))
        for step in book.unfinished:
            log.warning("an earlier hand was ended in the middle of %s; it is not repeated", step)
        _obey(server, lambda: load(options.config, options.approval_key), allowed, notify)
        notify.ready(_told(allowed))
        log.info("listening at %s for the user %s; %s", options.socket, options.user, _told(allowed))
        server.serve()
        notify.stopping()
        options.socket.unlink(missing_ok=True)
        return 0


@dataclass(frozen=True, slots=True)
class User:
    """Who may ask for steps."""

    uid: int
    gid: int


def user(name: str) -> User:
    """Return a user by name or number, or raise ``Rejected``."""
    try:
        found = pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except (KeyError, OverflowError):
        cure = "make it, or name the agent's user with --user"
        raise Rejected((Problem(Place("--user"), f"there is no user {name!r}", cure),)) from None
    return User(found.pw_uid, found.pw_gid)


def load(config: Path, key: Path) -> Allowed:
    """Return what the playbooks that agent.yaml names allow on this host, or raise ``Rejected``."""
    config = config.absolute()
    tree, problems = read_tree(read_trusted(config, FILE_BYTES_MAX), str(config))
    decoder = Decoder()
    decoder.problems += problems
    loaded = _playbooks(tree, config, decoder)
    node = _under("instance", tree)
    read = MISSING if node is None else decoder.value(node, str)
    if decoder.problems:
        raise Rejected(tuple(decoder.problems))
    # The agent goes by the same name; each grant says for which host it was given.
    instance = "" if read is MISSING else read
    identity = Identity(instance or socket.gethostname(), _key(key))
    allowed = compiled(together(loaded), this_host(), identity)
    for sentence in allowed.without:
        log.warning("nothing is allowed to %s", sentence)
    for name, one in allowed.each.items():
        if one.acts and one.approval and not identity.key:
            told = people(one.approval)
            log.warning("%s changes nothing: %s must agree, and there is no approval key %s", name, told, key)
        elif one.behind and not identity.key:
            log.warning("%s goes no further than its question: there is no approval key %s", name, key)
    return allowed


def _under(name: str, tree: Node) -> Node | None:
    return tree.get(name) if isinstance(tree, Mapping) else None


def _playbooks(tree: Node, config: Path, decoder: Decoder) -> list[Playbook]:
    """Read the playbooks that are named, each from a file that only root could have written."""
    node = _under("playbooks", tree)
    read = MISSING if node is None else decoder.value(node, tuple[str, ...])
    words: tuple[str, ...] = () if read is MISSING else read
    shipped = Path(remediations.playbooks.__path__[0])
    paths, unnamed = files.named(words, config.parent, shipped, node.place if node else Place(str(config)))
    decoder.problems += unnamed
    loaded: list[Playbook] = []
    for path in paths:
        try:
            loaded.append(load_playbook(read_trusted(path.absolute(), FILE_BYTES_MAX), str(path)))
        except Rejected as refused:
            decoder.problems += refused.problems
    return loaded


def _key(path: Path) -> bytes:
    """Return the approval key, empty where there is no such file, or raise ``Rejected``."""
    path = path.absolute()
    if not os.path.lexists(path):
        return b""
    text = read_secret(path, _KEY_BYTES_MAX).decode("ascii", "replace")
    try:
        return key_of(text)
    except Misfit as wrong:
        raise Rejected((Problem(Place(str(path)), wrong.sentence, wrong.cure),)) from None


def _obey(server: HandServer, load_anew: Callable[[], Allowed], allowed: Allowed, notify: Notify) -> None:
    """Stop and reload by signals; a configuration that is refused leaves the list as it was."""
    latest = allowed

    def reload() -> Allowed:
        nonlocal latest
        notify.reloading()
        try:
            latest = load_anew()
        except Rejected as refused:
            for problem in refused.problems:
                log.error("not reloaded: %s", problem)  # noqa: TRY400  a mistake in a file is no bug
        log.info("reloaded; %s", _told(latest))
        notify.ready(_told(latest))
        return latest

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    signal.signal(signal.SIGHUP, lambda *_: server.use(reload))


def _told(allowed: Allowed) -> str:
    steps = sum(len(one.looks | one.acts) for one in allowed.each.values())
    return f"{len(allowed.each)} playbooks may have {steps} steps taken"


@contextlib.contextmanager
def _locked(state: Path) -> Iterator[None]:
    """Keep a second hand out; the agent may look at the kill switch in this folder, and at nothing else."""
    state.mkdir(parents=True, exist_ok=True)
    state.chmod(0o755)
    (state / "undo").mkdir(mode=0o700, exist_ok=True)
    fd = os.open(state / "hand.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(f"another hand works in {state} already") from None
        yield
    finally:
        os.close(fd)
