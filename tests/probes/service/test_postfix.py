from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from probes.host.roots import Tree
from probes.service import postfix
from probes.service.postfix import Options
from probes.service.wire import Refused
from tests.probes.service.servers import (
    at_path,
    cut,
    endless,
    garbage,
    program,
    remarks,
    running,
    takes,
    until,
)
from tests.probes.targets import Behaviour, Connection, drip, hang, values, within

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = test.example
mydestination =
default_transport = retry:4.3.0 nothing is sent from here
inet_interfaces = loopback-only
alias_maps =
alias_database =
maillog_file = {folder}/spool/log
maillog_file_prefixes = {folder}
"""
MASTER = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
showq unix n - n - - showq
retry unix - - n - - error
error unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"""
DEEP = 'postfix_showq_queue_depth{queue="deferred"}'
EMPTY = {
    "postfix_up": 1,
    "beforehand_postfix_queue_complete": 1,
    **{f'postfix_showq_queue_depth{{queue="{name}"}}': 0 for name in postfix.QUEUES},
    **{f'beforehand_postfix_queue_bytes{{queue="{name}"}}': 0 for name in postfix.QUEUES},
}


def look(spool: Path, limit_s: float = 10) -> dict[str, float]:
    return values(postfix.run(Options(Tree(spool)), within(limit_s)))


@pytest.mark.needs("postfix", "sendmail")
def test_a_deferred_message_waits_in_its_queue() -> None:
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only")
    folder = Path(tempfile.mkdtemp(prefix="postfix"))
    try:
        folder.chmod(0o755)
        for name in ("etc", "spool", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "etc/main.cf").write_text(MAIN.format(folder=folder))
        (folder / "etc/master.cf").write_text(MASTER)
        config = str(folder / "etc")
        subprocess.run(
            [program("postfix"), "-c", config, "check"], check=True, capture_output=True, timeout=30
        )
        with running(["/usr/lib/postfix/sbin/master", "-c", config], folder):
            until(lambda: takes(folder / "spool/public/showq"), "postfix")
            assert look(folder / "spool") == EMPTY
            letter = [program("sendmail"), "-C", config, "-f", "ada@test.example", "bob@other.example"]
            subprocess.run(letter, input=b"hello\n", check=True, capture_output=True, timeout=30)
            until(lambda: look(folder / "spool")[DEEP] == 1, "the letter")
            told = look(folder / "spool")
            assert told['beforehand_postfix_queue_bytes{queue="deferred"}'] > 100
            arrived = told['beforehand_postfix_oldest_message_timestamp_seconds{queue="deferred"}']
            assert abs(time.time() - arrived) < 100
        assert look(folder / "spool") == {"postfix_up": 0}
    finally:
        shutil.rmtree(folder)


def record(*pairs: tuple[str, str]) -> bytes:
    return b"".join(f"{name}\0{value}\0".encode() for name, value in pairs) + b"\0"


def message(queue: str, arrived: int = 1000, size: int = 5) -> bytes:
    facts = [("queue_name", queue), ("queue_id", "A"), ("time", str(arrived)), ("size", str(size))]
    return record(*facts, ("sender", ""), ("recipient", "a@b"), ("reason", ""), ("recipient", "c@d"))


HELLO = record(("protocol", "mail_queue_list_protocol"))


@contextmanager
def listed(folder: Path, data: bytes | Behaviour) -> Iterator[Path]:
    """Serve a list, or something odd, where Postfix would; yields the spool."""
    (folder / "public").mkdir()

    def serve(connection: Connection) -> None:
        if isinstance(data, bytes):
            connection.socket.sendall(data)
            connection.socket.shutdown(socket.SHUT_WR)
            connection.socket.recv(1)
        else:
            data(connection)

    with at_path(folder / "public/showq", serve):
        yield folder


@pytest.mark.parametrize("hello", [HELLO, b""])
def test_messages_are_counted_by_queue(tmp_path: Path, hello: bytes) -> None:
    data = hello + message("hold", 2000, 7) + message("hold", 1000, 8) + message("maildrop") + b"\0"
    with listed(tmp_path, data) as spool:
        told = look(spool)
    assert told['postfix_showq_queue_depth{queue="hold"}'] == 2
    assert told['beforehand_postfix_queue_bytes{queue="hold"}'] == 15
    assert told['beforehand_postfix_oldest_message_timestamp_seconds{queue="hold"}'] == 1000
    assert told['postfix_showq_queue_depth{queue="maildrop"}'] == 1
    assert told[DEEP] == 0


def test_counting_a_long_queue_ends_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postfix, "MESSAGES_MAX", 500)
    with listed(tmp_path, HELLO + message("deferred") * 5000 + b"\0") as spool:
        told = look(spool)
    assert told["beforehand_postfix_queue_complete"] == 0
    assert told[DEEP] >= 500


def test_a_queue_that_is_listed_too_slowly_is_told_as_far_as_it_came(tmp_path: Path) -> None:
    def slow(connection: Connection) -> None:
        connection.socket.sendall(HELLO + message("deferred") * 3)
        hang(connection)

    with listed(tmp_path, slow) as spool:
        told = look(spool, 0.5)
    assert (told["postfix_up"], told["beforehand_postfix_queue_complete"], told[DEEP]) == (1, 0, 3)


@pytest.mark.parametrize(
    "data",
    [
        garbage,
        endless,
        cut,
        drip,
        hang,
        b"",
        HELLO + message("deferred"),
        HELLO + message("../../etc"),
        HELLO + record(("queue_name", "hold"), ("size", "x"), ("time", "1")),
        HELLO + record(("queue_name", "hold"), ("size", "1")),
    ],
)
def test_a_postfix_that_answers_oddly_is_down(tmp_path: Path, data: bytes | Behaviour) -> None:
    with listed(tmp_path, data) as spool:
        assert look(spool, 0.5) == {"postfix_up": 0}


def test_a_host_without_postfix_is_down(tmp_path: Path) -> None:
    seen = list(postfix.run(Options(Tree(tmp_path)), within(5)))
    assert values(seen) == {"postfix_up": 0}
    assert remarks(seen) == ["the connection failed: No such file or directory"]


def test_who_may_not_open_the_socket_knows_nothing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with listed(tmp_path, b"") as spool:
        (spool / "public/showq").chmod(0)
        os.seteuid(65534)
        try:
            with pytest.raises(Refused, match="may not open"):
                look(spool)
        finally:
            os.seteuid(0)
