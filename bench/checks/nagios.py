"""Nagios 4 with the plug-ins check_http and check_tcp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bench.checks.plan import Command, Plan, System, located
from tests.e2e.ports import LOOPBACK

_PLUGINS: Final = "/usr/lib/nagios/plugins"
_FILES: Final = {
    "log_file": "nagios.log",
    "object_cache_file": "objects.cache",
    "precached_object_file": "objects.precache",
    "status_file": "status.dat",
    "command_file": "nagios.cmd",
    "query_socket": "nagios.qh",
    "lock_file": "nagios.lock",
    "temp_file": "nagios.tmp",
    "temp_path": "",
    "check_result_path": "results",
    "state_retention_file": "retention.dat",
    "cfg_file": "objects.cfg",
}
_SETTINGS: Final = {
    "nagios_user": "root",
    "nagios_group": "root",
    "check_external_commands": "0",
    "retain_state_information": "0",
    "interval_length": "1",
    "execute_host_checks": "0",
    "enable_notifications": "0",
    "service_inter_check_delay_method": "s",
}
_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def _commands(plan: Plan) -> list[Command]:
    (plan.folder / "results").mkdir()
    files = {key: str(plan.folder / name) for key, name in _FILES.items()}
    config = plan.folder / "nagios.cfg"
    config.write_text("".join(f"{key}={value}\n" for key, value in (files | _SETTINGS).items()))
    (plan.folder / "objects.cfg").write_text("".join(_objects(plan)))
    return [Command((located("nagios4"), str(config)))]


def _objects(plan: Plan) -> list[str]:
    address = "-I" if plan.kind == "http" else "-H"
    line = f"{_PLUGINS}/check_{plan.kind} {address} {LOOPBACK} -p {plan.target.port}"
    nobody = {
        f"{what}_{key}": value
        for what in ("host", "service")
        for key, value in (
            ("notifications_enabled", "0"),
            ("notification_period", "always"),
            ("notification_options", "n"),
            ("notification_commands", "check"),
        )
    }
    common = {"max_check_attempts": "1", "check_period": "always", "contacts": "nobody"}
    common |= {"notification_period": "always"}
    pace = {"check_interval": str(plan.every_s), "retry_interval": str(plan.every_s)}
    path = " -u $ARG1$" if plan.kind == "http" else ""
    return [
        _object("command", {"command_name": "check", "command_line": line + path}),
        _object("timeperiod", {"timeperiod_name": "always", "alias": "always", **_always()}),
        _object("contact", {"contact_name": "nobody", **nobody}),
        _object("host", {"host_name": "local", "address": LOOPBACK, "active_checks_enabled": "0", **common}),
        *(
            _object(
                "service",
                {
                    "host_name": "local",
                    "service_description": f"check {number}",
                    "check_command": f"check!{plan.target.path(number)}",
                    **pace,
                    **common,
                },
            )
            for number in range(plan.count)
        ),
    ]


def _always() -> dict[str, str]:
    return dict.fromkeys(_DAYS, "00:00-24:00")


def _object(kind: str, values: Mapping[str, str]) -> str:
    lines = "".join(f"  {key} {value}\n" for key, value in values.items())
    return f"define {kind} {{\n{lines}}}\n"


NAGIOS = System("Nagios 4 + check_http", ("nagios4",), _commands, flood=500, most=1000)
