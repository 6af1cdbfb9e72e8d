"""Beforehand, with the rules that it has when nobody says otherwise, and every sample stored."""

from __future__ import annotations

from bench.checks.plan import Command, Plan, System
from tests.e2e.ports import LOOPBACK
from tests.e2e.running import command


def _commands(plan: Plan) -> list[Command]:
    config = plan.folder / "agent.yaml"
    probes = "".join(
        f"- {plan.kind}: {{target: '{plan.told(number)}'}}\n"
        f"  name: {plan.kind} {number}\n"
        f"  every: {plan.every_s}s\n"
        # All TCP checks have one target, and their series are to be as many as the checks.
        f"  labels: {{check: '{number}'}}\n"
        for number in range(plan.count)
    )
    config.write_text(f"listen: {LOOPBACK}:0\nseries_max: 1000000\nprobes:\n{probes}")
    state = str(plan.folder / "state")
    return [Command((*command(), "agent", "--config", str(config), "--state", state))]


BEFOREHAND = System("Beforehand", (), _commands, flood=3500, most=100_000)
