"""The house around the code: make, scripts, image, units, and the guard over the tests."""

from __future__ import annotations

import ast
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest

from agent.command import hand as hand_command
from tests import conftest
from tests.test_tidy import ROOMS, ROOT, modules, read

WORDS: Final = ("run", "demo", "test", "check", "bench")
SCRIPTS: Final = ("deploy/setup", "deploy/packages", ".ci/run")
UNITS: Final = {
    "beforehand-agent.service": 1.5,
    "beforehand-hand.service": 2.0,
    "beforehand-desk.service": 1.5,
}
DROP_INS: Final = {
    "sockets.conf": 1.5, "journal.conf": 1.5, "logs.conf": 1.5, "ping.conf": 1.7, "kernel-log.conf": 2.0,
}  # fmt: skip

# What is imported under another name than its distribution's is found by asking what is installed.
DISTRIBUTIONS: Final = metadata.packages_distributions()


def project() -> dict[str, Any]:
    return tomllib.loads(read("pyproject.toml"))


def declared(*extras: str) -> set[str]:
    """Name the distributions that pyproject.toml asks for, with these extras."""
    wanted = list(project()["project"]["dependencies"])
    for extra in extras:
        wanted += project()["project"]["optional-dependencies"][extra]
    return {plain(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in wanted}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(source: str) -> set[str]:
    """Name the foreign top-level packages that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    tops = {name.partition(".")[0] for name in names}
    return tops - sys.stdlib_module_names - {*ROOMS, "tests", "bench", "docs", "__future__"}


def undeclared(source: str, allowed: set[str]) -> set[str]:
    return {
        name for name in imported(source) if not {plain(d) for d in DISTRIBUTIONS.get(name, [name])} & allowed
    }


def run(*argv: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=cwd,
        env={"PATH": conftest.SEARCH_PATH, "LC_ALL": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.needs("make")
@pytest.mark.parametrize("word", WORDS)
def test_make_knows_each_word_and_sets_up_first(word: str) -> None:
    planned = run("make", "--dry-run", word)
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.startswith("deploy/setup desk")


@pytest.mark.needs("make")
def test_make_help_names_every_word() -> None:
    said = run("make").stdout
    assert re.findall(r"^make (\w+)", said, re.MULTILINE) == [
        "run",
        "demo",
        "test",
        "check",
        "bench",
        "setup",
    ]


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_shell_script_has_nothing_that_shellcheck_knows_better(script: str) -> None:
    checked = run("shellcheck", "--enable=all", "--exclude=SC2250,SC2310,SC2312", script)
    assert checked.stdout == ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_shell_script_can_be_run_and_stops_at_its_first_error(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111
    assert "\nset -eu\n" in read(script)


def tree(room: Path) -> Path:
    """Make a tree with nothing in it but what the set-up itself is made of."""
    (room / "deploy").mkdir()
    for name in ("deploy/setup", "deploy/packages"):
        shutil.copy(ROOT / name, room / name)
    (room / "pyproject.toml").write_text("[project]\nname = 'empty'\n")
    return room


def test_the_setup_says_in_one_sentence_that_python_is_too_old(tmp_path: Path) -> None:
    room = tree(tmp_path)
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        fake = room / name
        fake.write_text("#!/bin/sh\nexit 1\n")
        fake.chmod(0o755)
    made = run("deploy/setup", "desk", cwd=room, PATH=f"{room}:{conftest.SEARCH_PATH}")
    assert made.returncode == 1
    assert made.stderr == (
        "setup: no Python 3.11 or newer is here; ask an administrator to install python3, or set PYTHON\n"
    )
    assert not (room / ".venv").exists()


def test_the_setup_asks_for_extras_rather_than_guess(tmp_path: Path) -> None:
    made = run("deploy/setup", cwd=tree(tmp_path))
    assert (made.returncode, made.stdout) == (1, "")
    assert made.stderr.startswith("setup: name the extras")


def environment(room: Path, pip: str) -> Path:
    """Make an environment whose pip is this shell text, so that nothing is fetched."""
    place = room / ".venv" / "bin"
    place.mkdir(parents=True)
    (place / "pip").touch(mode=0o755)
    python = place / "python"
    python.write_text(f'#!/bin/sh\nif [ "$1" = -m ]; then {pip}; fi\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return room


def test_the_setup_does_nothing_when_nothing_changed(tmp_path: Path) -> None:
    room = environment(tree(tmp_path), 'echo "$*" >>asked; exit 0')
    first = run("deploy/setup", "desk", "test", cwd=room)
    assert (first.returncode, first.stdout) == (0, "setup: installing beforehand[desk,test] into .venv\n")
    for extras in (("desk", "test"), ("desk",)):
        again = run("deploy/setup", *extras, cwd=room)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert (room / "asked").read_text() == "-m pip install --no-input --editable .[desk,test]\n"


def test_the_setup_installs_again_when_the_project_changed(tmp_path: Path) -> None:
    room = environment(tree(tmp_path), "echo asked >>asked; exit 0")
    run("deploy/setup", "desk", cwd=room)
    (room / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    run("deploy/setup", "desk", cwd=room)
    assert (room / "asked").read_text() == "asked\nasked\n"


def test_a_failed_installation_is_told_and_tried_again(tmp_path: Path) -> None:
    room = environment(tree(tmp_path), "echo no such thing; exit 1")
    for _ in range(2):
        made = run("deploy/setup", "desk", cwd=room)
        assert made.returncode == 1
        assert made.stderr.startswith("no such thing\nsetup: pip could not install beforehand[desk]")


@pytest.mark.needs("dpkg-query")
def test_packages_that_are_here_are_not_asked_for() -> None:
    asked = run("deploy/packages", "dpkg", "libc-bin")
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "", "")


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_its_installation_brings(room: str) -> None:
    allowed = declared("desk", "channels", "postgres") if room == "desk" else declared()
    assert {name: undeclared(read(name), allowed) for name in modules(room)} == {
        n: set() for n in modules(room)
    }


def test_the_tests_import_only_what_the_test_extra_brings() -> None:
    allowed = declared("desk", "test")
    assert {name for name in modules("tests", "bench", "docs") if undeclared(read(name), allowed)} == set()


def test_an_undeclared_import_is_found() -> None:
    assert undeclared("import os\nimport numpy.linalg\nfrom yaml import load\n", {"pyyaml"}) == {"numpy"}


def test_every_package_of_the_tree_is_in_the_wheel() -> None:
    here = {str(Path(name).parent).replace("/", ".") for name in modules(*ROOMS)}
    of_data = {name for name in project()["tool"]["setuptools"]["package-data"] if name not in here}
    assert here | of_data == set(project()["tool"]["setuptools"]["packages"])


def test_every_data_file_of_a_package_is_in_the_wheel() -> None:
    taken: set[Path] = set()
    for package, patterns in project()["tool"]["setuptools"]["package-data"].items():
        place = ROOT / package.replace(".", "/")
        for pattern in patterns:
            taken |= set(place.glob(pattern))
    here = {
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert {str(path.relative_to(ROOT)) for path in here - taken} == set()


@pytest.mark.needs("hadolint")
def test_the_dockerfile_has_nothing_that_hadolint_knows_better() -> None:
    assert run("hadolint", "Dockerfile").stdout == ""


def test_the_image_runs_as_an_ordinary_user_and_says_whether_it_is_well() -> None:
    last_stage = read("Dockerfile").split("\nFROM ")[-1]
    assert re.search(r"^USER [1-9][0-9]+$", last_stage, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", last_stage, re.MULTILINE)
    assert re.search(r'^CMD \["beforehand", "run"', last_stage, re.MULTILINE)


def test_the_image_is_made_of_the_same_rooms_as_the_wheel() -> None:
    kept = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
    assert kept == {"pyproject.toml", "README.md", "LICENSE", *ROOMS}


def unit(name: str, room: Path) -> str:
    """Write a unit whose program exists here, and return its path."""
    path = room / name
    path.write_text(read(f"deploy/systemd/{name}").replace("/opt/beforehand/bin/beforehand", "/bin/true"))
    return str(path)


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line_of_a_unit(name: str, tmp_path: Path) -> None:
    verified = run("systemd-analyze", "verify", "--man=no", unit(name, tmp_path))
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_calls_a_unit_well_closed_in(name: str, tmp_path: Path) -> None:
    judged = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit(name, tmp_path))
    exposure = re.search(r"Overall exposure level for \S+ ([0-9.]+)", judged.stdout)
    assert exposure is not None, judged.stderr
    assert float(exposure.group(1)) <= UNITS[name]


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", DROP_INS)
def test_a_drop_in_costs_what_it_says(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "beforehand-agent.service.d"
    folder.mkdir()
    shutil.copy(ROOT / "deploy" / "systemd" / folder.name / name, folder)
    path = unit("beforehand-agent.service", tmp_path)
    verified = run("systemd-analyze", "verify", "--man=no", path)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    judged = run("systemd-analyze", "security", "--offline=true", "--no-pager", path)
    assert f"Overall exposure level for beforehand-agent.service: {DROP_INS[name]}" in judged.stdout
    assert f"{DROP_INS[name]}." in read(f"deploy/systemd/{folder.name}/{name}")


def test_every_drop_in_is_judged_or_for_a_newer_systemd() -> None:
    here = {path.name for path in (ROOT / "deploy" / "systemd" / "beforehand-agent.service.d").iterdir()}
    assert here - {"reload.conf"} == set(DROP_INS)


def test_hand_and_agent_are_told_the_same_file_and_the_agent_runs_as_the_user_whom_the_hand_expects() -> None:
    agent, hand = (read(f"deploy/systemd/beforehand-{name}.service") for name in ("agent", "hand"))
    for both in ("--config /etc/beforehand/agent.yaml", "\nType=notify\n", "\nWatchdogSec=60s\n"):
        assert both in agent
        assert both in hand
    assert f"\nUser={hand_command.USER}\n" in agent
    assert f"\nGroup={hand_command.USER}\n" in hand
    assert f"\nu {hand_command.USER} - " in read("deploy/sysusers/beforehand.conf")
    assert str(hand_command.SOCKET) in hand


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_does_not_restart_what_refused_its_configuration(name: str) -> None:
    assert "\nRestartPreventExitStatus=78\n" in read(f"deploy/systemd/{name}")


@pytest.mark.parametrize("address", ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"])
def test_no_test_reaches_another_machine(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(family, kind) as end, pytest.raises(conftest.BeyondThisMachine):
            end.connect((address, 9))
    with socket.socket(family, socket.SOCK_DGRAM) as end, pytest.raises(conftest.BeyondThisMachine):
        end.sendto(b"x", (address, 9))


def test_no_test_asks_a_resolver() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("example.com", 80)
    assert socket.getaddrinfo("localhost", 80)


def test_a_test_reaches_its_own_machine() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as end,
    ):
        assert end.getpeername() == server.getsockname()


def test_a_skipped_test_is_counted_under_the_program_it_needs() -> None:
    said = conftest.left_out(["no PTY here", "needs nginx", "needs nginx", "needs promtool"])
    assert said == [
        "left out: 2 tests, because nginx is not installed",
        "left out: 1 test, because promtool is not installed",
        "left out: 1 test, because no PTY here",
    ]


def test_a_program_that_is_nowhere_is_not_installed() -> None:
    assert conftest.installed("sh")
    assert not conftest.installed("a-program-that-nobody-wrote")
