from __future__ import annotations

import pytest

from model.deed import (
    CleanPackages,
    FreeSpace,
    PruneImages,
    RemoveOld,
    RotateLogs,
    VacuumJournal,
)
from model.misfit import Rejected
from remediations.apart.packing import pack, unpack
from tests.remediations.actions.planning import planned


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
    assert unpack(pack(step), (type(step),)) == step


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
