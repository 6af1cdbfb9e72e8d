from __future__ import annotations

import io
import os
import pwd
import re
import shutil
import stat
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.checking.check import check
from agent.cli import EX_CHANGES, EX_FAILED, EX_OK, main
from agent.command import init as init_command
from agent.config import load
from agent.discovery.trees import Trees
from desk.catalogue.file import read_catalogue
from desk.config import read_config
from tests.agent.discovery.scene import seen
from tests.agent.discovery.servers import BIN, nginx, postgres, redis
from tests.agent.process import Agent, agent
from tests.conftest import installed
from tests.probes.targets import certificate, unused_port

READY_S = 40.0


def asked(folder: Path, *, alone: bool = False, show: bool = False, into: Path | None = None) -> Namespace:
    return Namespace(config=folder, agent_only=alone, print=show, write=into)


def init(options: Namespace, trees: Trees) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = init_command.command(options, out, err, time.monotonic, trees)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def empty(tmp_path: Path) -> Trees:
    """A host on which nothing runs."""
    return seen(tmp_path, ())


@dataclass
class Shop:
    """Servers that run, and how each is stopped."""

    folder: Path
    pids: dict[str, int]
    ends: dict[str, ExitStack]
    port: int
    secure: int
    redis: int

    def trees(self) -> Trees:
        return seen(self.folder, self.pids.values())


@pytest.fixture
def shop() -> Iterator[Shop]:
    """What a small host runs; in a folder that everybody may enter, for postgres is nobody's."""
    folder = Path(tempfile.mkdtemp(prefix="shop"))
    folder.chmod(0o755)
    ports = unused_port(), unused_port(), unused_port()
    found = Shop(folder, {}, {}, *ports)
    with ExitStack() as all_of_them:
        all_of_them.callback(shutil.rmtree, folder)
        for name in ("nginx", "redis", "postgres"):
            room, end = folder / name, all_of_them.enter_context(ExitStack())
            room.mkdir()
            found.ends[name] = end
            if name == "nginx":
                certificate(room, "DNS:shop.example", 90)
                found.pids[name] = end.enter_context(nginx(room, found.port, found.secure))
            elif name == "redis":
                found.pids[name] = end.enter_context(redis(room, found.redis))
            elif BIN.is_dir() and installed("psql"):
                found.pids[name] = end.enter_context(postgres(room))
        yield found


def ups(running: Agent) -> dict[str, str]:
    return dict(re.findall(r'^up\{.*probe="([^"]*)"[^}]*\} (.*)$', running.get("/metrics"), re.MULTILINE))


def every_probe_sees(config: str, folder: Path, count: int) -> dict[str, str]:
    """Run an agent until each of so many probes has run well, or time is over; return what each told."""
    folder.mkdir()
    with agent(folder, f"listen: 127.0.0.1:0\n{config}") as running:
        end_s = time.monotonic() + READY_S
        while time.monotonic() < end_s:
            found = ups(running)
            if len(found) >= count and set(found.values()) == {"1.0"}:
                break
            time.sleep(0.2)
        assert set(found.values()) == {"1.0"}, running.log()
        return found


@pytest.mark.needs("nginx", "redis-server", "openssl")
def test_what_runs_is_found_watched_and_missed_when_it_is_gone(shop: Shop) -> None:
    folder = shop.folder / "etc"
    code, out, _ = init(asked(folder, alone=True), shop.trees())
    assert (code, out) == (EX_OK, f"wrote {folder}/agent.yaml\n")
    text = (folder / "agent.yaml").read_text()
    wanted = [
        f'- http: {{target: "http://127.0.0.1:{shop.port}/"}}',
        f'target: "https://127.0.0.1:{shop.secure}/"',
        f'- nginx: {{target: "http://127.0.0.1:{shop.port}/stub_status"}}',
        f'- redis: {{target: "127.0.0.1:{shop.redis}"}}',
        f"- process: {{group: nginx, pidfile: {shop.folder}/nginx/nginx.pid}}",
        f"- cert_file: {{paths: [{shop.folder}/nginx/certificate]}}",
        "\n- nginx\n", "\n- redis\n", "\n- certificates\n", "\n- gather-evidence\n",
    ]  # fmt: skip  # the packs on one line
    assert [line for line in wanted if line not in text] == []
    if "postgres" in shop.pids:
        socket = next((shop.folder / "postgres").glob(".s.PGSQL.*[0-9]"))
        assert f"- unix: {{target: {socket}}}" in text
        assert f"#- postgres: {{target: {socket}}}" in text
        # The role is there, so that what waited can be turned on.
        text = text.replace("#- postgres:", "- postgres:")
        (folder / "agent.yaml").write_text(text)
    found = check([folder])
    assert (found.problems, found.findings) == ((), ())
    told = every_probe_sees(text, shop.folder / "run", len(load(folder / "agent.yaml").config.probes))
    assert {f"redis 127.0.0.1:{shop.redis}", "process nginx"} <= told.keys()

    (folder / "agent.yaml").unlink()
    init(asked(folder, alone=True), shop.trees())
    assert init(asked(folder, alone=True), shop.trees())[:2] == (EX_OK, "")
    before = (folder / "agent.yaml").read_text()
    shop.ends["redis"].close()
    del shop.pids["redis"]
    code, out, _ = init(asked(folder, alone=True), shop.trees())
    assert code == EX_CHANGES
    assert f'\n-- redis: {{target: "127.0.0.1:{shop.redis}"}}\n' in out
    changed = [line for line in out.splitlines()[2:] if line[0] in "+-"]
    assert all(line.startswith("-") for line in changed)
    assert not any("nginx" in line or "postgres" in line for line in changed)
    assert (folder / "agent.yaml").read_text() == before


def test_a_desk_starts_from_what_is_written_beside_the_agent(tmp_path: Path, empty: Trees) -> None:
    code, out, _ = init(asked(tmp_path / "etc"), empty)
    assert code == EX_OK
    assert out == "".join(f"wrote {tmp_path}/etc/{name}.yaml\n" for name in ("desk", "catalogue", "agent"))
    config = read_config(tmp_path / "etc" / "desk.yaml")
    catalogue = read_catalogue(config, tmp_path / "etc")
    assert (list(catalogue.services), catalogue.customers) == (["this-machine"], ())
    assert config.listen.host == config.public.host == "127.0.0.1"
    assert check([tmp_path / "etc"]).problems == ()


def test_what_stands_beside_the_agent_is_left_as_it_is(tmp_path: Path, empty: Trees) -> None:
    (tmp_path / "desk.yaml").write_text("mine")
    _, out, _ = init(asked(tmp_path), empty)
    assert "desk.yaml" not in out
    assert (tmp_path / "desk.yaml").read_text() == "mine"


def test_a_file_is_for_its_owner_and_group_whatever_the_umask_says(tmp_path: Path, empty: Trees) -> None:
    before = os.umask(0)
    try:
        init(asked(tmp_path, alone=True), empty)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "agent.yaml").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_link_is_never_written_through(tmp_path: Path, empty: Trees) -> None:
    target = tmp_path / "elsewhere"
    for name in ("agent.yaml", "desk.yaml", "new.yaml"):
        (tmp_path / name).symlink_to(target)
    assert init(asked(tmp_path), empty)[0] == EX_FAILED
    code, _, err = init(asked(tmp_path, into=tmp_path / "new.yaml"), empty)
    assert (code, err.splitlines()[-1]) == (
        EX_FAILED,
        f"{tmp_path}/new.yaml is there already; it is not overwritten",
    )
    (tmp_path / "agent.yaml").unlink()
    assert init(asked(tmp_path), empty)[0] == EX_OK
    assert not target.exists()


def test_a_directory_that_cannot_be_is_an_answer_and_no_crash(tmp_path: Path, empty: Trees) -> None:
    (tmp_path / "file").write_text("")
    code, out, err = init(asked(tmp_path / "file" / "etc"), empty)
    assert (code, out) == (EX_FAILED, "")
    assert "nothing written" in err


def test_it_can_be_printed_or_written_elsewhere_without_touching_what_stands(
    tmp_path: Path, empty: Trees
) -> None:
    (tmp_path / "agent.yaml").write_text("mine\n")
    code, printed, _ = init(asked(tmp_path, show=True), empty)
    assert code == EX_OK
    assert init(asked(tmp_path, into=tmp_path / "new.yaml"), empty)[0] == EX_OK
    assert (tmp_path / "new.yaml").read_text() == printed
    code, out, _ = init(asked(tmp_path), empty)
    assert code == EX_CHANGES
    assert "\n-mine\n" in out
    assert (tmp_path / "agent.yaml").read_text() == "mine\n"
    assert not (tmp_path / "desk.yaml").exists()


def test_what_stands_in_the_file_cannot_move_the_cursor_of_a_terminal(tmp_path: Path, empty: Trees) -> None:
    (tmp_path / "agent.yaml").write_bytes(b"# \x1b[2Jgone\n\xff\n")
    _, out, _ = init(asked(tmp_path), empty)
    assert "\x1b" not in out
    assert "\\x1b[2Jgone" in out


@contextmanager
def nobody() -> Iterator[None]:
    """Have the rights of nobody for a while; whoever is no root has few enough."""
    if os.geteuid() != 0:
        yield
        return
    groups, who = os.getgroups(), pwd.getpwnam("nobody")
    os.setgroups([])
    os.setegid(who.pw_gid)
    os.seteuid(who.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.mark.needs("redis-server")
def test_an_ordinary_user_gets_what_it_may_see_and_is_told_what_not() -> None:
    folder, port = Path(tempfile.mkdtemp(prefix="user")), unused_port()
    folder.chmod(0o755)
    try:
        (folder / "redis").mkdir()
        with redis(folder / "redis", port) as pid:
            trees = seen(folder, (pid,))
            log = Path(trees.here("/var/log/redis/redis-server.log"))
            log.parent.mkdir(parents=True)
            log.touch(0)
            (folder / "own").mkdir()
            (folder / "own").chmod(0o777)
            with nobody():
                code, _, err = init(asked(folder / "own"), trees)
        assert code == EX_OK
        assert "not looked at: /var/log/redis/redis-server.log: this user may not read it" in err
        text = (folder / "own" / "agent.yaml").read_text()
        assert "# - /var/log/redis/redis-server.log: this user may not read it" in text
        if os.geteuid() == 0:
            assert (
                "not looked at: some listening ports: this user may not see which programs hold them" in err
            )
        else:
            assert f'- redis: {{target: "127.0.0.1:{port}"}}' in text
        assert check([folder / "own"]).problems == ()
    finally:
        shutil.rmtree(folder)


def test_the_command_is_known_and_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["init", "--help"])
    said = capsys.readouterr().out
    assert all(word in said for word in ("--config", "--agent-only", "--print", "--write"))


@pytest.mark.parametrize(
    ("environment", "uid", "folder"),
    [
        ({"HOME": "/home/ada"}, 0, "/etc/beforehand"),
        ({"HOME": "/home/ada"}, 7, "/home/ada/.config/beforehand"),
        ({"XDG_CONFIG_HOME": "/cfg"}, 7, "/cfg/beforehand"),
    ],
)
def test_a_user_without_rights_has_a_directory_of_its_own(
    environment: dict[str, str], uid: int, folder: str
) -> None:
    assert init_command.usual_folder(environment, uid) == Path(folder)
