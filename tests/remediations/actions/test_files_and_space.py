from __future__ import annotations

import pytest

from model.decode import decode
from model.deed import (
    CleanPackages,
    EditLine,
    FreeSpace,
    Mount,
    PruneImages,
    PurgeKernels,
    ReleaseDeleted,
    RemoveOld,
    RestoreFile,
    RestoreHeld,
    RotateLogs,
    TruncateDeleted,
    VacuumJournal,
    WriteFile,
)
from model.misfit import Rejected
from model.plugin import AnyAction, Unplannable
from model.step import Exec, Host, Risk, Step
from remediations.actions import ACTIONS, remove_old
from remediations.packing import pack, unpack

SYSTEMD, BARE = Host(has_systemd=True), Host(has_systemd=False)
NAMES = {action.name: action for action in ACTIONS}
KINDS = (
    Exec,
    FreeSpace,
    RestoreHeld,
    Mount,
    WriteFile,
    EditLine,
    RestoreFile,
    ReleaseDeleted,
    TruncateDeleted,
)


def named(name: str) -> AnyAction:
    return NAMES[name]


def planned(name: str, text: str, host: Host = SYSTEMD) -> list[Step]:
    action = named(name)
    return list(action.plan(decode(text.encode(), "f", action.options), host))


def undone(name: str, text: str) -> list[Step]:
    action = named(name)
    return list(action.undo(decode(text.encode(), "f", action.options), SYSTEMD))


def test_strategies_are_planned_in_the_order_in_which_they_are_written() -> None:
    text = (
        "path: /\ntarget_free: 15%\nstrategies:\n- journal_vacuum: {max_use: 1G, keep: 3d}\n- rotate_logs\n"
        "- apt_clean\n- dnf_clean\n- tmp_age: {days: 3}\n- core_dumps\n- container_prune: {engine: podman}\n"
        "- build_caches: {roots: [/home/ada/.cache]}\n"
        "- remove_old: {roots: [/var/log], patterns: ['*.gz'], keep: [boot*], age: 30d}\n"
    )
    [step] = planned("free_space", text)
    assert isinstance(step, FreeSpace)
    assert (step.path, step.target_free) == ("/", 0.15)
    assert step.strategies == (
        VacuumJournal(1 << 30, 259_200),
        RotateLogs("/etc/logrotate.conf"),
        CleanPackages("apt-get"),
        CleanPackages("dnf"),
        RemoveOld(("/tmp", "/var/tmp"), age_s=3 * 86_400, unread=True),
        RemoveOld(
            ("/var/lib/systemd/coredump", "/var/crash"), ("core", "core.*", "*.core", "*.crash", "vmcore*")
        ),
        PruneImages("podman"),
        RemoveOld(("/home/ada/.cache",), age_s=7 * 86_400, unread=True),
        RemoveOld(("/var/log",), ("*.gz",), ("boot*",), 30 * 86_400),
    )
    assert str(step) == "free space on the filesystem of / until 15% is free"
    assert unpack(pack(step), KINDS) == step


@pytest.mark.parametrize(
    ("strategies", "sentence"),
    [
        ("[]", "there is no strategy"),
        ("[apt]", "unknown strategy 'apt'"),
        ("[{apt_clean: {}, dnf_clean: {}}]", "a strategy has one name"),
        ("[{tmp_age: {days: 0}}]", "not an age in days"),
        ("[{tmp_age: {hours: 1}}]", "unknown key 'hours'"),
        ("[remove_old]", "the key 'roots' is missing"),
        ("[{remove_old: {roots: [], patterns: ['*']}}]", "roots names 1 to"),
        ("[{remove_old: {roots: [/var/log], patterns: []}}]", "patterns names 1 to"),
        ("[{remove_old: {roots: [/var/log], patterns: ['a/*']}}]", "not a pattern of names"),
        ("[{remove_old: {roots: [/var/log], patterns: ['*'], age: 23h}}]", "too young"),
        ("[{remove_old: {roots: [/], patterns: ['*']}}]", "carries the host"),
        ("[{remove_old: {roots: [/etc], patterns: ['*']}}]", "carries the host"),
        ("[{remove_old: {roots: [/home], patterns: ['*']}}]", "carries the host"),
        ("[{remove_old: {roots: [/var/lib/postgresql], patterns: ['*']}}]", "somebody's data"),
        ("[{remove_old: {roots: [/var/lib/app], patterns: ['*']}}]", "holds state"),
        ("[{remove_old: {roots: [/var/log/../../etc], patterns: ['*']}}]", "says what it means"),
        ("[{remove_old: {roots: [''], patterns: ['*']}}]", "says what it means"),
        ("[{remove_old: {roots: [.], patterns: ['*']}}]", "says what it means"),
        ("[{remove_old: {roots: [//], patterns: ['*']}}]", "says what it means"),
        ("[{remove_old: {roots: [/proc], patterns: ['*']}}]", "carries the host"),
        ("[{remove_old: {roots: [/srv/shop/uploads], patterns: ['*']}}]", "use remove_old"),
        ("[{rotate_logs: {config: /tmp/evil}}]", "not one of logrotate's own files"),
        ("[{container_prune: {engine: lxc}}]", "expected one of docker, podman"),
        ("[{journal_vacuum: {max_use: lots}}]", "not an amount of bytes"),
    ],
)
def test_a_strategy_that_could_do_harm_is_refused(strategies: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("free_space", f"path: /\nstrategies: {strategies}")


@pytest.mark.parametrize("target", ["0%", "51%", "10", "ten", "-5%", "1000%"])
def test_a_target_is_a_percentage_that_makes_sense(target: str) -> None:
    with pytest.raises(Rejected):
        planned("free_space", f"{{path: /, target_free: {target}, strategies: [apt_clean]}}")


def test_old_files_of_any_declared_folder_need_approval_and_are_held_for_an_undo() -> None:
    text = "{roots: [/srv/shop/uploads, /opt/builds], patterns: ['*.tmp'], age: 2d}"
    assert planned("remove_old", text) == [
        FreeSpace(root, 1.0, (RemoveOld((root,), ("*.tmp",), (), 172_800),), 3600)
        for root in ("/srv/shop/uploads", "/opt/builds")
    ]
    assert undone("remove_old", text) == [RestoreHeld()]
    assert undone("remove_old", text.replace("}", ", hold: 0s}")) == []
    assert remove_old.ACTION.risk is Risk.IRREVERSIBLE
    with pytest.raises(Rejected, match="too long to hold"):
        planned("remove_old", text.replace("}", ", hold: 2d}"))


def test_logs_are_rotated_only_after_a_dry_run() -> None:
    debug, rotate = planned("rotate_logs", "{config: /etc/logrotate.d/nginx}")
    assert isinstance(debug, Exec)
    assert isinstance(rotate, Exec)
    assert debug.argv == ("logrotate", "--debug", "/etc/logrotate.d/nginx")
    assert rotate.argv == ("logrotate", "--force", "/etc/logrotate.d/nginx")
    with pytest.raises(Rejected):
        planned("rotate_logs", "{config: /etc/logrotate.d/../shadow}")


def test_the_holder_of_deleted_files_is_restarted_by_whoever_runs_it() -> None:
    text = "path: /var\nservice: nginx\n"
    unit = ("/usr/bin/systemctl", "restart", "nginx.service")
    assert planned("release_open_deleted", text) == [
        ReleaseDeleted("/var", 100 << 20, unit, unit="nginx.service")
    ]
    with pytest.raises(Unplannable, match="declares no argv"):
        planned("release_open_deleted", text, BARE)
    declared = text + "argv: [nginx, -s, reopen]\nexe: /usr/sbin/nginx\nmin_size: 1G\n"
    assert planned("release_open_deleted", declared, BARE) == [
        ReleaseDeleted("/var", 1 << 30, ("nginx", "-s", "reopen"), exe="/usr/sbin/nginx")
    ]
    with pytest.raises(Rejected, match="argv and exe go together"):
        planned("release_open_deleted", text + "exe: /usr/sbin/nginx")


def test_emptying_is_not_to_be_taken_back_and_names_its_program() -> None:
    text = "{path: /, exe: /usr/sbin/nginx}"
    assert planned("truncate_open_deleted", text) == [TruncateDeleted("/", 100 << 20, "/usr/sbin/nginx")]
    assert named("truncate_open_deleted").risk is Risk.IRREVERSIBLE
    with pytest.raises(Rejected):
        planned("truncate_open_deleted", "{path: /}")


def test_old_kernels_leave_two_at_least() -> None:
    assert planned("old_kernels", "{}") == [PurgeKernels(2)]
    assert named("old_kernels").risk is Risk.IRREVERSIBLE
    with pytest.raises(Rejected, match="keep 2 to 10"):
        planned("old_kernels", "{keep: 1}")


def test_a_mount_is_planned_with_its_undo() -> None:
    assert planned("mount", "{path: /srv, state: mounted}") == [Mount("/srv", "mounted")]
    assert undone("mount", "{path: /srv, state: mounted}") == [Mount("/srv", "unmounted", back=True)]
    text = "{path: /srv, state: remounted, options: rw}"
    assert planned("mount", text) == [Mount("/srv", "remounted", "rw")]
    assert undone("mount", text) == [Mount("/srv", "remounted", "ro", back=True)]


@pytest.mark.parametrize(
    "text",
    ["{path: /srv, state: remounted}", "{path: /srv, state: mounted, options: rw}",
     "{path: srv, state: mounted}", "{path: /, state: unmounted}",
     "{path: /srv, state: remounted, options: exec}"],
)  # fmt: skip
def test_a_mount_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        planned("mount", text)


def test_a_file_is_planned_word_for_word_with_its_validation_and_undo() -> None:
    text = (
        "path: /etc/app.conf\ncontent: 'port={{ port }}'\nmode: 0640\nowner: root\ngroup: app\n"
        "validate: [appctl, -t, -c, '%s']"
    )
    judge = ("appctl", "-t", "-c", "/etc/.app.conf.beforehand")
    [step] = planned("file", text)
    assert step == WriteFile("/etc/app.conf", "present", "port={{ port }}", 0o640, "root", "app", judge)
    assert unpack(pack(step), KINDS) == step
    assert undone("file", text) == [RestoreFile("/etc/app.conf")]
    assert planned("file", "{path: /etc/x, state: absent}") == [WriteFile("/etc/x", "absent")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{path: /etc/x}", "nothing is said"),
        ("{path: /etc/x, state: absent, content: a}", "has no content"),
        ("{path: /etc/x, state: touch, content: a}", "has no content"),
        ("{path: /etc/shadow, content: a}", "decides who may do what"),
        ("{path: /etc/sudoers.d/x, content: a}", "decides who may do what"),
        ("{path: /etc/../etc/shadow, content: a}", "says what it means"),
        ("{path: x, content: a}", "says what it means"),
        ("{path: /etc/x, content: a, mode: 4755}", "is not a mode"),
        ("{path: /etc/x, content: a, mode: 0666}", "everybody may write"),
        ("{path: /etc/x, content: a, owner: '0; reboot'}", "not the name of a user"),
        ("{path: /etc/x, content: a, validate: [true]}", "as %s"),
        ("{path: /etc/x, content: a, validate: [sh, -c, 'cat %s']}", "is a shell"),
        ("{path: /etc/x, content: 'host={{ labels.instance }}'}", "values are not filled into files"),
        ("{path: /etc/x, content: 'host={{ $labels.instance }}'}", "values are not filled into files"),
    ],
)
def test_a_file_that_could_do_harm_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("file", text)


def test_a_text_too_long_for_a_file_is_refused() -> None:
    with pytest.raises(Rejected, match="longer than"):
        planned("file", f"{{path: /etc/x, content: {'a' * 20_000}}}")


def test_a_line_is_planned_as_it_is_written() -> None:
    text = "{path: /etc/app.conf, line: max=2, regexp: ^max=, insertafter: '^.limits', create: true}"
    [step] = planned("line", text)
    assert step == EditLine("/etc/app.conf", "max=2", "^max=", after="^.limits", create=True)
    assert unpack(pack(step), KINDS) == step
    assert undone("line", text) == [RestoreFile("/etc/app.conf")]
    gone = "{path: /etc/app.conf, regexp: ^max=, state: absent}"
    assert planned("line", gone) == [EditLine("/etc/app.conf", "", "^max=", gone=True)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{path: /etc/x}", "no line is given"),
        ("{path: /etc/x, state: absent}", "no line is given"),
        ('{path: /etc/x, line: "a\\nb"}', "more than one line"),
        ("{path: /etc/x, line: a, regexp: '.*'}", "found in an empty line"),
        ("{path: /etc/x, line: a, regexp: '(?=x)'}", "not RE2"),
        ("{path: /etc/x, line: a, insertafter: b, insertbefore: c}", "after or before"),
        ("{path: /etc/x, line: a, insertafter: BOF}", "BOF is to insert before"),
        ("{path: /etc/shadow, line: a}", "decides who may do what"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        planned("line", text)
