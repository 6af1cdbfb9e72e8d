from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.config import load
from model.duration import seconds
from model.misfit import Rejected
from rules.store.store import Store


def written(directory: Path, text: str, name: str = "agent.yaml") -> Path:
    file = directory / name
    file.write_text(text)
    return file


def mistakes(directory: Path, text: str) -> list[str]:
    with pytest.raises(Rejected) as refused:
        load(written(directory, text))
    return [str(problem).replace(f"{directory}/", "") for problem in refused.value.problems]


def test_a_whole_installation_is_loaded_from_one_file(tmp_path: Path) -> None:
    written(tmp_path, "groups: [{name: g, rules: [{alert: Down, expr: up == 0}]}]", "mine.yml")
    written(
        tmp_path,
        "playbook: p\non: ['alertname=\"Down\"']\nsteps: [{command: {argv: [/bin/true]}}]\n"
        "verify: {expr: up == 1}\nsummary: s\n",
        "play.yml",
    )
    text = """
        instance: web1
        labels: {region: eu}
        listen: 127.0.0.1:0
        desks: ["http://127.0.0.1:9466/"]
        rules: [host, mine.yml]
        playbooks: [play.yml]
        evaluation_interval: 10s
        probes:
        - cpu: {}
        - load:
        - http: {target: "http://127.0.0.1:8080/"}
          name: shop
          every: 5s
          timeout: 2s
          labels: {service: checkout}
    """
    installation = load(written(tmp_path, text))
    config = installation.config
    assert [entry.name for entry in config.probes] == ["cpu", "load", "shop"]
    assert (config.probes[2].every, config.probes[2].timeout) == (seconds(5), seconds(2))
    assert config.desks == ("http://127.0.0.1:9466",)
    assert len(installation.rule_files) == 2
    assert installation.effects["p"].metrics == {"up"}


def test_the_mistakes_of_every_file_are_told_at_once(tmp_path: Path) -> None:
    written(tmp_path, "groups: [{name: g, rules: [{alert: Down, expr: up ==}]}]", "mine.yml")
    written(
        tmp_path,
        "playbook: p\nsummary: s\non: ['a=b']\nsteps: [{command: {argv: [x]}}]\nverify: {expr: 'up =='}\n",
        "play.yml",
    )
    found = mistakes(
        tmp_path, "rules: [mine.yml, nothing.yml]\nplaybooks: [play.yml]\nlabel: {a: b}\nprobes:\n- cpu: {}\n"
    )
    assert "agent.yaml:3:1: unknown key 'label'; did you mean 'labels'?" in found
    assert any("'nothing.yml' names no file" in mistake for mistake in found)
    assert any(mistake.startswith("mine.yml:1:") for mistake in found), found
    assert any(mistake.startswith("play.yml:5:") for mistake in found), found


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "agent.yaml:1:1: the file is empty"),
        ("probes: []", "agent.yaml:1:1: there is no probe"),
        ("probes: [{cpuu: {}}]", "agent.yaml:1:11: unknown probe 'cpuu'; did you mean 'cpu'?"),
        ("probes: [{every: 5s}]", "agent.yaml:1:10: exactly one probe belongs in each item"),
        ("probes: [{cpu: {}, load: {}}]", "agent.yaml:1:10: exactly one probe belongs in each item"),
        ("probes: [cpu]", "agent.yaml:1:10: expected a probe"),
        ("probes: [{cpu: {cores: 3}}]", "agent.yaml:1:17: unknown key 'cores'"),
        ("probes: [{http: {}}]", "agent.yaml:1:17: the key 'target' is missing"),
        ("probes: [{cpu: {}, every: 0}]", "agent.yaml:1:20: every: 0s is out of range"),
        (
            "probes: [{cpu: {}, every: 5s, timeout: 6s}]",
            "agent.yaml:1:31: timeout: 6s does not fit in every: 5s",
        ),
        (
            "probes: [{cpu: {}}, {cpu: {}}]",
            "agent.yaml:1:21: the probe 'cpu' is defined twice, first in line 1",
        ),
        ("probes: [{cpu: {}, labels: {1a: b}}]", "agent.yaml:1:29: '1a' cannot be a label name"),
        ("labels: {__name__: b}\nprobes: [{cpu: {}}]", "agent.yaml:1:10: '__name__' cannot be a label name"),
        (
            "listen: 0.0.0.0:9465\nprobes: [{cpu: {}}]",
            "agent.yaml:1:9: 0.0.0.0 can be reached",
        ),
        (
            "desks: ['ftp://x']\nprobes: [{cpu: {}}]",
            "agent.yaml:1:10: 'ftp://x' is not the base of a",
        ),
        ("rules: [nothing]\nprobes: [{cpu: {}}]", "agent.yaml:1:1: 'nothing' names no file"),
        ("rules: [x/*.yml]\nprobes: [{cpu: {}}]", "agent.yaml:1:1: 'x/*.yml' names no file"),
        ("threads_max: 0\nprobes: [{cpu: {}}]", "agent.yaml:1:1: threads_max is out of range"),
        (
            "evaluation_interval: 10ms\nprobes: [{cpu: {}}]",
            "agent.yaml:1:1: evaluation_interval: 10ms is out",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, mistake: str) -> None:
    assert any(found.startswith(mistake) for found in mistakes(tmp_path, text)), mistakes(tmp_path, text)


def test_a_file_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "probes: [{cpu: {}}]")
    file.chmod(0o666)
    with pytest.raises(Rejected, match="everybody on this host may write this file; run chmod o-w"):
        load(file)


def test_a_fifo_or_a_device_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path, tmp_path / "gone"):
        with pytest.raises(Rejected):
            load(path)


def test_what_editors_leave_behind_is_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    rules = "groups: [{name: g, rules: [{alert: A, expr: up == 0}]}]"
    for name in ("a.yml", "b.yml~", ".c.yml", "d.yml.swp", "e.test.yml"):
        written(tmp_path / "rules", rules, name)
    config = written(tmp_path, "rules: ['rules/*']\nprobes: [{cpu: {}}]")
    assert [Path(file.file).name for file in load(config).rule_files] == ["a.yml"]


def test_two_process_groups_need_no_names_of_their_own(tmp_path: Path) -> None:
    text = "probes: [{process: {group: redis, name: r}}, {process: {group: nginx, name: n}}, {cpu: }]"
    config = load(written(tmp_path, text)).config
    assert [entry.name for entry in config.probes] == ["process redis", "process nginx", "cpu"]


def test_a_subquery_without_a_step_takes_the_evaluation_interval(tmp_path: Path) -> None:
    expr = "count_over_time(vector(1)[1m:])"
    written(tmp_path, f"groups: [{{name: g, rules: [{{alert: A, expr: '{expr}'}}]}}]", "mine.yml")
    text = "rules: [mine.yml]\nprobes: [{cpu: {}}]\nevaluation_interval: 20s\n"
    ((group,),) = [file.groups for file in load(written(tmp_path, text)).rule_files]
    (point,) = group.rules.each[0].expr.query.at(Store(1000, 10), 600_000)
    assert point.value == 3


def test_one_switch_gives_the_rules_the_meaning_of_an_older_prometheus(tmp_path: Path) -> None:
    written(tmp_path, "groups: [{name: g, rules: [{alert: A, expr: 'rate(up[5m]) > 0'}]}]", "mine.yml")
    text = "rules: [mine.yml]\nprobes: [{cpu: {}}]\n"
    for more, meant in (("", "prometheus3"), ("compat: prometheus2\n", "prometheus2")):
        (file,) = load(written(tmp_path, text + more)).rule_files
        assert file.groups[0].rules.each[0].expr.query.dialect.compat == meant
