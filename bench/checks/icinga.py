"""Icinga 2 with the plug-ins check_http and check_tcp."""

from __future__ import annotations

from typing import Final

from bench.checks.plan import Command, Plan, System, located
from tests.e2e.ports import LOOPBACK

_PLACES: Final = ("Data", "Log", "Cache", "Spool", "InitRun")


def _commands(plan: Plan) -> list[Command]:
    config = plan.folder / "icinga2.conf"
    config.write_text(_config(plan))
    define = []
    for name in _PLACES:
        place = plan.folder / name
        place.mkdir()
        define.append(f"-DConfiguration.{name}Dir={place}")
    define += [f"-DConfiguration.ConfigDir={plan.folder}"]
    define += [f"-DConfiguration.RunAs{what}=root" for what in ("User", "Group")]
    argv = (located("icinga2"), "daemon", "-x", "critical", "-c", str(config), *define)
    return [Command(argv, {"ICINGA2_USER": "root", "ICINGA2_GROUP": "root"})]


def _config(plan: Plan) -> str:
    told = f'vars.{plan.kind}_address = "{LOOPBACK}"; vars.{plan.kind}_port = {plan.target.port}'
    path = 'vars.http_uri = "/check/" + i' if plan.kind == "http" else ""
    return f"""
include <itl>
include <plugins>
const PluginDir = "/usr/lib/nagios/plugins"
const NodeName = "bench"
object CheckerComponent "checker" {{ concurrent_checks = 512 }}
object Host "local" {{ check_command = "dummy"; enable_active_checks = false }}
for (i in range({plan.count})) {{
  object Service "check" + i use (i) {{
    host_name = "local"
    check_command = "{plan.kind}"
    {told}
    {path}
    check_interval = {plan.every_s}s
    retry_interval = {plan.every_s}s
    max_check_attempts = 1
  }}
}}
"""


ICINGA = System("Icinga 2 + check_http", ("icinga2",), _commands, flood=500, most=1000)
