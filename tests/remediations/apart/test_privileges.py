"""What is to be granted is read off the steps, and those who grant it can read it."""

from __future__ import annotations

import json
import os
import subprocess
import typing
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from model.deed import FreeSpace, RemoveOld, VacuumJournal
from model.step import Host, Step
from remediations.apart.allowed import Allowed, compiled
from remediations.apart.needs import NEEDS, Network, needs
from remediations.apart.privileges import Privileges, Sandbox, UnitVerb, privileges
from remediations.apart.privileges_text import FORMATS
from tests.remediations.stage import BARE, playbook
from tests.test_tidy import read

SYSTEMD = Host(has_systemd=True)
SERVICE = "- service: {name: nginx, state: restarted, check: ['true', -t]}"

POLKIT = read("deploy/polkit/49-beforehand.rules")
SUDOERS = """\
# What the enabled playbooks run to change something. Needed only where a playbook's
# own words call sudo; the hand needs none of it.
beforehand ALL=(root) NOPASSWD: {systemctl} reset-failed nginx.service
beforehand ALL=(root) NOPASSWD: {systemctl} restart nginx.service
beforehand ALL=(root) NOPASSWD: {true} -t
"""
DROP_IN = """\
# What the enabled playbooks need of the hand's sandbox:
# /etc/systemd/system/beforehand-hand.service.d/enabled.conf
[Service]
"""
TEXT = """\
== What the hand may be asked for

heal-shop (acts by itself; at most 3 per 1h, 6 per 1d)
  looks: run /usr/bin/systemctl show --no-pager --property=LoadState,ActiveState,SubState,Result,\
UnitFileState nginx.service
  acts:  run /usr/bin/systemctl reset-failed nginx.service
  acts:  run /usr/bin/systemctl restart nginx.service
  acts:  run true -t

== approvals

No playbook needs approval, but for a run beyond a budget that latches.

== sudo
"""


def of(steps: str, host: Host = SYSTEMD, mode: str = "auto") -> Privileges:
    return privileges(compiled([playbook(steps, mode=mode)], host), host)


def commands(*argvs: tuple[str, ...]) -> Privileges:
    return Privileges(Allowed(), argvs, (), Sandbox(), ())


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program is in /usr/bin, so that what is printed is the same on every machine."""
    monkeypatch.setattr(
        "remediations.apart.privileges.found", lambda name: f"/usr/bin/{name.rpartition('/')[2]}"
    )


def test_polkit_is_told_exactly_these_verbs_on_exactly_these_units(installed: None) -> None:
    assert FORMATS["polkit"](of(SERVICE), "beforehand") == POLKIT


def test_sudo_is_told_exactly_these_words(installed: None) -> None:
    said = FORMATS["sudoers"](of(SERVICE), "beforehand")
    assert said == SUDOERS.format(systemctl="/usr/bin/systemctl", true="/usr/bin/true")


def test_people_are_told_the_list_first(installed: None) -> None:
    assert FORMATS["text"](of(SERVICE), "beforehand").startswith(TEXT)


def test_people_are_told_what_waits_for_them_and_what_the_hand_needs_for_that() -> None:
    said = FORMATS["text"](of(SERVICE, mode="approve"), "ada")
    assert "heal-shop (acts once one person approved; at most " in said
    assert "heal-shop changes nothing before one person agreed to the run\n" in said
    assert "which root and the desk can read and ada cannot" in said


@pytest.mark.parametrize(
    ("mode", "how", "approval"), [("observe", "only looks", 1), ("propose", "only says what it would do", 1)]
)
def test_what_never_acts_waits_for_nobody(mode: str, how: str, approval: int) -> None:
    given = of(SERVICE, mode=mode)
    said = FORMATS["text"](given, "ada")
    assert f"heal-shop ({how}; at most " in said
    assert "No playbook needs approval" in said
    assert json.loads(FORMATS["json"](given, "ada"))["allowed"]["heal-shop"]["approval"] == approval


def test_what_systemd_does_itself_needs_nothing_of_the_hands_sandbox(installed: None) -> None:
    only_units = of("- service: {name: nginx, state: restarted}")
    assert only_units.sandbox == Sandbox()
    assert FORMATS["systemd"](only_units, "beforehand") == DROP_IN


def test_a_program_and_a_pidfile_need_what_root_is_not_without_a_capability(installed: None) -> None:
    step = "- service: {name: shop, state: restarted, start: [shopd], pidfile: /run/shop.pid}"
    needs = of(step, BARE)
    assert FORMATS["systemd"](needs, "beforehand") == DROP_IN + (
        "CapabilityBoundingSet=CAP_DAC_OVERRIDE\n"
        "CapabilityBoundingSet=CAP_DAC_READ_SEARCH\n"
        "CapabilityBoundingSet=CAP_KILL\n"
        "CapabilityBoundingSet=CAP_SYS_PTRACE\n"
        "SystemCallFilter=@privileged @resources\n"
        "PrivateNetwork=no\n"
        "RestrictAddressFamilies=AF_INET AF_INET6\n"
        "IPAddressAllow=localhost\n"
        "# These run in the same sandbox; add ReadWritePaths= for what they write themselves:\n"
        "#   /usr/bin/shopd\n"
    )
    assert needs.units == ()


def test_looking_at_ports_needs_the_hosts_network_and_no_capability() -> None:
    for steps in ("- wait_for: {port: 80, timeout: 1s}", "- collect: [sockets]"):
        assert of(steps).sandbox == Sandbox(network=Network.HOST)
    assert of("- collect: [top, journal]").sandbox == Sandbox()


def test_a_program_that_is_not_installed_is_named_and_not_granted() -> None:
    needs = of("- command: {argv: [no-such-program, -x]}")
    assert (needs.commands, needs.missing) == ((), ("no-such-program",))
    assert "# not installed here: no-such-program\n" in FORMATS["sudoers"](needs, "beforehand")


def test_a_playbook_that_only_observes_is_granted_nothing() -> None:
    needs = of(SERVICE, mode="observe")
    assert (needs.commands, needs.units) == ((), ())


def test_every_kind_of_step_says_what_it_needs() -> None:
    assert set(NEEDS) == set(typing.get_args(Step))


def test_a_deed_writes_where_it_says_and_nowhere_else() -> None:
    strategies = (
        RemoveOld(("/var/cache/app", "/srv/old")),
        RemoveOld(("/srv/old/deep",)),
        VacuumJournal(1 << 30),
    )
    free = FreeSpace("/", 0.2, strategies)
    assert needs(free).writes == (
        "/var/cache/app", "/srv/old", "/srv/old/deep", "/var/log/journal", "/run/log/journal",
    )  # fmt: skip
    allowance = replace(compiled([playbook()], BARE).each["heal-shop"], acts=frozenset({free}))
    given = privileges(Allowed({"heal-shop": allowance}), BARE)
    assert given.sandbox.writes == ("/run/log/journal", "/srv/old", "/var/cache/app", "/var/log/journal")
    assert "ReadWritePaths=-/srv/old\n" in FORMATS["systemd"](given, "beforehand")


def test_programs_hear_it_as_json() -> None:
    said = json.loads(FORMATS["json"](of(SERVICE), "beforehand"))
    assert said["units"] == [{"unit": "nginx.service", "verb": verb} for verb in ("reset-failed", "restart")]
    assert said["allowed"]["heal-shop"]["budgets"] == ["3 per 1h", "6 per 1d"]
    assert len(said["allowed"]["heal-shop"]["acts"]) == 3


def test_a_verb_that_polkit_cannot_tell_apart_by_unit_is_not_granted() -> None:
    needs = of("- command: {argv: [systemctl, mask, nginx.service]}")
    assert needs.units == (UnitVerb("nginx.service", "mask"),)
    said = FORMATS["polkit"](needs, "beforehand")
    assert "// polkit cannot tell units apart for: mask" in said
    assert "nginx" not in said


def test_what_a_playbook_calls_sudo_for_is_granted_without_sudo(installed: None) -> None:
    said = FORMATS["sudoers"](commands(("/usr/bin/sudo", "-n", "/usr/sbin/nginx", "-t")), "beforehand")
    assert said.endswith("NOPASSWD: /usr/sbin/nginx -t\n")


HOSTILE = [
    ("/bin/x", "a b"),
    ("/bin/x", ""),
    ("/bin/x", "a\nbeforehand ALL=(ALL) NOPASSWD: ALL"),
    ("/bin/x", "back\\slash"),
    ("/bin/x y", "z"),
    ("/bin/*", "z"),
    ("/bin/x", "ä"),
]


@pytest.mark.parametrize("argv", HOSTILE, ids=range(len(HOSTILE)))
def test_words_that_sudo_cannot_tell_apart_are_left_out_and_said_so(argv: tuple[str, ...]) -> None:
    lines = FORMATS["sudoers"](commands(argv), "beforehand").splitlines()
    assert all(line.startswith("#") for line in lines)
    assert "sudo cannot tell its words apart" in lines[-1]


def checked(tmp_path: Path, argvs: Iterable[tuple[str, ...]], *program: str) -> str:
    file = tmp_path / "sudoers"
    file.write_text(FORMATS["sudoers"](commands(*argvs), "beforehand"))
    file.chmod(0o440)
    done = subprocess.run([*program, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


WORDS = r"""a,b a:b a=b #x *x x? [ab] ! ^a$ (x) 'q' "q" %d {a} ~ @h & ; | < >"""
SPECIAL = [("/bin/x", word) for word in WORDS.split()]


@pytest.mark.needs("visudo")
def test_visudo_finds_nothing_wrong(tmp_path: Path) -> None:
    checked(tmp_path, [("/bin/true",), *SPECIAL], "visudo", "-c", "-f")


@pytest.mark.needs("cvtsudoers")
def test_sudo_reads_each_command_as_it_was_meant(tmp_path: Path) -> None:
    read = json.loads(checked(tmp_path, [("/bin/true",), *SPECIAL], "cvtsudoers", "-f", "json"))
    heard = [one["Commands"][0]["command"] for spec in read["User_Specs"] for one in spec["Cmnd_Specs"]]
    plain = [command.replace("\\", "") for command in heard]
    assert plain == ['/bin/true ""', *(" ".join(argv) for argv in SPECIAL)]
    # What a pattern would read as more than itself is still kept from it.
    assert [word for word in heard if "*" in word] == ["/bin/x \\*x"]


@pytest.mark.needs("node")
def test_the_polkit_rule_says_yes_to_these_and_nothing_to_others(installed: None, tmp_path: Path) -> None:
    rule = tmp_path / "rule.js"
    rule.write_text(
        "let rule;\n"
        "const polkit = {Result: {YES: 'yes', NOT_HANDLED: null}, addRule: (one) => { rule = one; }};\n"
        + FORMATS["polkit"](of(SERVICE), "beforehand")
        + """
        const ask = (id, user, unit, verb) => rule({id, lookup: (key) => ({unit, verb})[key]}, {user});
        const manage = "org.freedesktop.systemd1.manage-units";
        console.log(JSON.stringify([
            ask(manage, "beforehand", "nginx.service", "restart"),
            ask(manage, "beforehand", "nginx.service", "stop"),
            ask(manage, "beforehand", "ssh.service", "restart"),
            ask(manage, "mallory", "nginx.service", "restart"),
            ask("org.freedesktop.login1.reboot", "beforehand", "nginx.service", "restart"),
        ]));"""
    )
    done = subprocess.run(["node", str(rule)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["yes", None, None, None, None]


def test_the_command_prints_each_form(tmp_path: Path) -> None:
    (tmp_path / "agent.yaml").write_text("probes:\n- load: {}\nplaybooks: [./heal.yml]\n")
    heal = (
        "playbook: heal-shop\nsummary: x.\non: ['alertname=\"ShopDown\"']\nmode: auto\n"
        "verify: {within: 5s, hold: 1s}\nsteps:\n- command: {argv: ['true']}\n"
    )
    (tmp_path / "heal.yml").write_text(heal)
    for form in FORMATS:
        argv = ["beforehand", "privileges", "--config", str(tmp_path), "--format", form, "--user", "ada"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, env=dict(os.environ))
        assert done.stdout.endswith("\n"), form
    (tmp_path / "heal.yml").write_text("x: 1\n")
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (done.returncode, "heal.yml:1:1" in done.stderr) == (78, True)
