"""Monit, one host with one test for each target."""

from __future__ import annotations

from bench.checks.plan import Command, Plan, System, located
from tests.e2e.ports import LOOPBACK


def _commands(plan: Plan) -> list[Command]:
    lines = [f"set daemon {plan.every_s}"]
    lines += [f"set {name}file {plan.folder}/monit.{name}" for name in ("pid", "state", "id", "log")]
    for number in range(plan.count):
        how = f"port {plan.target.port}"
        if plan.kind == "http":
            how += f' protocol http request "{plan.target.path(number)}"'
        lines += [
            f"check host check{number} with address {LOOPBACK}",
            f"  if failed {how} with timeout 5 seconds then alert",
        ]
    config = plan.folder / "monitrc"
    config.write_text("\n".join(lines) + "\n")
    config.chmod(0o600)
    return [Command((located("monit"), "-I", "-c", str(config)))]


MONIT = System("Monit", ("monit",), _commands, flood=3000, most=100_000)
