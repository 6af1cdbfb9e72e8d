"""Deferred mail leaves as soon as its relay is back; while that is away, it is tried twice and kept."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.faults.scene import Scene, acting, rule, shipped
from tests.e2e.faults.vain import left_to_people
from tests.e2e.installation import Tree
from tests.e2e.patience import until
from tests.e2e.ports import Port
from tests.e2e.post_office import PostOffice
from tests.e2e.servers import program

pytestmark = [
    pytest.mark.needs("postfix", "sendmail", "postsuper", "root"),
]

LETTERS: Final = 5
PEOPLE: Final = tuple(f"customer{number}@other.example" for number in range(LETTERS))

MAIN: Final = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = test.example
mydestination =
relayhost = [127.0.0.1]:{port}
disable_dns_lookups = yes
smtp_connect_timeout = 5s
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
maillog_file = {folder}/spool/log
maillog_file_prefixes = {folder}
"""
MASTER: Final = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
showq unix n - n - - showq
retry unix - - n - - error
error unix - - n - - error
postlog unix-dgram n - n - 1 postlogd
"""


@pytest.fixture
def relay() -> Iterator[Port]:
    """Where the relay would listen."""
    port = Port.free()
    yield port
    port.close()


@pytest.fixture
def postfix(relay: Port) -> Iterator[Path]:
    """A Postfix in a folder of its own that hands all mail to the relay."""
    folder = Path(tempfile.mkdtemp(prefix="postfix"))
    try:
        folder.chmod(0o755)
        for name in ("etc", "spool", "data"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "etc/main.cf").write_text(MAIN.format(folder=folder, port=relay.number))
        (folder / "etc/master.cf").write_text(MASTER)
        check = [program("postfix") or "", "-c", str(folder / "etc"), "check"]
        subprocess.run(check, check=True, capture_output=True, timeout=30)
        with (folder / "said").open("wb") as said:
            argv = ["/usr/lib/postfix/sbin/master", "-c", str(folder / "etc")]
            master = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        try:
            until(lambda: listens(folder / "spool/public/showq"), 30, "postfix runs")
            yield folder
        finally:
            master.terminate()
            master.wait(15)
    finally:
        shutil.rmtree(folder)


def listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as end:
        return end.connect_ex(str(path)) == 0


def deferred(folder: Path) -> int:
    return sum(1 for path in (folder / "spool/deferred").rglob("*") if path.is_file())


def write(folder: Path) -> None:
    """Send a letter to each of the people and wait until none could be delivered."""
    for person in PEOPLE:
        argv = [program("sendmail") or "", "-C", str(folder / "etc"), "-f", "shop@test.example", person]
        letter = f"Subject: Your order\nMessage-ID: <{person}>\n\nIt is on its way.\n".encode()
        subprocess.run(argv, input=letter, check=True, capture_output=True, timeout=30)
    until(lambda: deferred(folder) == LETTERS, 30, "the letters are deferred")


def scene(folder: Path, postfix: Path, verify: Tree) -> Scene:
    config = str(postfix / "etc")
    steps = [
        {"command": {"argv": ["postfix", "-c", config, "check"]}},
        {"postfix_requeue": {"how": "requeue", "config": config}},
        {"postfix_requeue": {"how": "flush", "config": config}},
    ]
    probe: Tree = {"postfix": {"spool": str(postfix / "spool")}, "every": "1s", "timeout": "1s"}
    expr = f'postfix_showq_queue_depth{{queue="deferred"}} >= {LETTERS}'
    gone = f'sum(postfix_showq_queue_depth{{queue=~"maildrop|incoming|active|deferred"}}) < {LETTERS}'
    heal = shipped("requeue-stuck-mail", steps=steps, verify={"expr": gone, **verify})
    return Scene(folder, probes=(probe,), rules=(rule("PostfixMailDeferred", expr),), playbooks=(heal,))


def test_letters_leave_as_soon_as_their_relay_is_back(postfix: Path, relay: Port, tmp_path: Path) -> None:
    write(postfix)
    with (
        PostOffice(relay) as post,
        acting(scene(tmp_path, postfix, {"within": "10s", "hold": "2s"})) as stage,
    ):
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        until(lambda: len(post.letters) >= LETTERS, 20, "every letter arrived", post.listing)
        assert sorted(post.by_person()) == sorted(PEOPLE)
        assert len(post.letters) == LETTERS, post.listing()
        assert deferred(postfix) == 0
        stage.wait(lambda: not stage.alert("PostfixMailDeferred"), "the alert is over")


def test_letters_whose_relay_stays_away_are_tried_twice_and_none_is_lost(
    postfix: Path, tmp_path: Path
) -> None:
    write(postfix)
    with acting(scene(tmp_path, postfix, {"within": "4s", "hold": "2s"})) as stage:
        left_to_people(stage, "PostfixMailDeferred", "ineffective")
        until(lambda: deferred(postfix) == LETTERS, 20, "every letter waits")
