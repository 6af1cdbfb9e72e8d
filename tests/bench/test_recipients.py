"""The recipient benchmark, in miniature: its world knows the truth by itself, scores are counted right."""

from __future__ import annotations

import random

from bench.recipients import report, trial, world
from bench.recipients.trial import Outcome
from bench.recipients.world import Account, Fault, Need, Shard, World

EU, US = Shard("eu-1", "eu"), Shard("us-1", "us")


def small() -> World:
    """A shop that needs one of two databases, with a customer in each of two shards."""
    names = ("db-a", "db-b", "shop")
    return World(
        (EU, US),
        {"db-a": (), "db-b": (), "shop": (Need(("db-a", "db-b")),)},
        {(name, shard.name): f"{name}-{shard.name}" for name in names for shard in (EU, US)},
        (Account("acme", EU, ("shop",), ("a@x",)), Account("birch", US, ("shop", "db-a"), ("b@x",))),
    )


def test_in_the_world_a_request_fails_only_where_all_that_it_needs_is_gone() -> None:
    a, b = (Fault(name, frozenset({f"{name}-eu-1"})) for name in ("db-a", "db-b"))
    assert small().touched((a,)) == frozenset()
    assert small().touched((a, b)) == {"a@x"}
    assert small().touched((Fault("shop", customer="birch"),)) == {"b@x"}
    assert small().touched((Fault("db-a", frozenset({"db-a-us-1"})),)) == {"b@x"}


def test_evidence_tells_exactly_the_touched_where_the_labels_carry_it() -> None:
    chance = random.Random(7)
    found = trial.outcomes(world.made(chance), chance)
    ours = [one for one in found if one.way == "evidence"]
    assert len(ours) == 40
    assert sum(one.carried for one in ours) == 30
    score = report.Score.of(one for one in ours if one.carried)
    assert min(score.precision or 0, score.recall or 0) >= 0.99
    for one in ours:
        if one.kind == "the alert does not say where":
            assert one.refused
            assert not one.told
    twenty = report.Score.of(one for one in found if one.way == "20% subscribed")
    assert (score.recall or 0) > (twenty.recall or 1)
    assert "| one region (8) |" in report.table(found)


def test_a_score_of_nothing_is_no_figure() -> None:
    nobody: frozenset[str] = frozenset()
    score = report.Score.of([Outcome("k", True, "w", nobody, nobody)])
    assert (score.precision, score.recall) == (None, None)
    score = report.Score.of([Outcome("k", True, "w", frozenset({"a", "b"}), frozenset({"b", "c", "d", "e"}))])
    assert (score.precision, score.recall) == (0.25, 0.5)
