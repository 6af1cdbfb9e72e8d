from __future__ import annotations

from model.step import Exec, Host
from remediations.actions.command import ACTION, Options
from remediations.writing.argv import Argv

HOST = Host(has_systemd=True)


def test_a_command_is_run_once_as_it_is_written() -> None:
    options = Options(Argv(("nginx", "-t")), allowed_rc=(0, 3))
    assert list(ACTION.plan(options, HOST)) == [Exec(("nginx", "-t"), allowed_rc=(0, 3))]


def test_two_runs_of_one_program_touch_the_same_thing_whatever_its_path() -> None:
    assert ACTION.touches(Options(Argv(("/usr/sbin/nginx",)))) == ACTION.touches(Options(Argv(("nginx",))))
