"""The files of a whole installation: agent, rules, playbooks, desk and catalogue, in one folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from tests.e2e.ports import Port
from tests.e2e.servers import Nginx, Redis

Tree = dict[str, object]

REGION: Final = "eu"
TEAM: Final = "payments"
ON_CALL: Final = "oncall@shop.example"
SHOP_NOTICE: Final = "You cannot pay at the moment. Orders you have placed are safe."
SESSIONS_NOTICE: Final = "You may be asked to sign in again. Nothing in your basket is lost."

# Who is hurt: by the shop in this region only Ada and Ben, by the sessions everywhere Dan and Eve.
ADA: Final = "ada@acme.example"
BEN: Final = "ben@acme.example"
CLEO: Final = "cleo@birch.example"
DAN: Final = "dan@cedar.example"
EVE: Final = "eve@dune.example"

EVERY_GUARD_WIDE: Final[Tree] = {
    "cooldown": "0s",
    "at_most": "100 per 1h",
    "never_when": ["human_intent", "maintenance", "freeze"],
    "breaker": {"recurrences": 20},
}


@dataclass(frozen=True, slots=True)
class Watch:
    """One service: how it is seen, judged, healed, and what its trouble means to whom."""

    service: str
    probes: tuple[Tree, ...]
    rule: Tree
    playbook: Tree
    impact: str
    affects: str


@dataclass(frozen=True, slots=True)
class Installation:
    """Where an installation lives and listens."""

    folder: Path
    agent_port: Port
    desk_port: Port
    page_port: Port
    mail_port: Port
    hold: str = "3s"
    pace: str = "1s"  # how often rules are judged when nothing happens
    watches: tuple[Watch, ...] = ()
    probes: tuple[Tree, ...] = ()
    rules: tuple[Tree, ...] = ()

    @property
    def config(self) -> Path:
        """The folder of the configuration files."""
        return self.folder / "config"

    @property
    def state(self) -> Path:
        """The folder of what the daemons keep."""
        return self.folder / "state"

    def write(self) -> None:
        """Write every file."""
        rules = [watch.rule for watch in self.watches] + list(self.rules)
        self._write("agent.yaml", self._agent())
        self._write("rules/e2e.yml", {"groups": [{"name": "e2e", "rules": rules}]})
        for watch in self.watches:
            self._write(f"playbooks/{watch.service}.yml", watch.playbook)
        self._write("desk.yaml", self._desk())
        self._write("catalogue.yaml", self._catalogue())

    def _agent(self) -> Tree:
        probes = [probe for watch in self.watches for probe in watch.probes] + list(self.probes)
        return {
            "instance": "web1",
            "labels": {"region": REGION},
            "listen": str(self.agent_port),
            "desks": [f"http://{self.desk_port}"],
            "rules": ["self", "rules/*.yml"],
            "playbooks": ["playbooks/*.yml"] if self.watches else [],
            "evaluation_interval": self.pace,
            # A machine that was just booted, or is being updated, is as good as any other to test on.
            "warm_up": {"boot": "0s", "start": "0s"},
            "probes": probes,
        }

    def _desk(self) -> Tree:
        return {
            "name": "Example Shop",
            "url": f"http://{self.page_port}",
            "listen": str(self.desk_port),
            "public": str(self.page_port),
            "catalogue": ["catalogue.yaml"],
            "smtp": {
                "host": "127.0.0.1",
                "port": self.mail_port.number,
                "from": "Example Shop <status@shop.example>",
            },
            "hold": self.hold,
        }

    def _catalogue(self) -> Tree:
        services = [
            {
                "service": watch.service,
                "name": {"en": watch.service.title()},
                "owner": TEAM,
                "stage": "live",
                "shows": [f'service="{watch.service}"'],
                "impact": [
                    {"when": f'service="{watch.service}"', "impact": watch.impact, "affects": watch.affects}
                ],
            }
            for watch in self.watches
        ]
        known = {watch.service for watch in self.watches}
        return {
            "teams": [{"team": TEAM, "email": ON_CALL}],
            "services": services,
            "customers": [
                _customer("acme", known & {"shop"}, "eu", ADA, BEN),
                _customer("birch", known & {"shop"}, "us", CLEO),
                _customer("cedar", known & {"sessions"}, "eu", DAN),
                _customer("dune", known & {"shop", "sessions"}, "us", EVE),
            ],
        }

    def _write(self, name: str, tree: Tree) -> None:
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.dump(tree, Dumper=_Plain, sort_keys=False, width=1000))


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice, as a human would."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _customer(customer: str, uses: set[str], region: str, *emails: str) -> Tree:
    people = [
        {"name": email.split("@")[0].title(), "email": email, "language": "en", "via": ["email"]}
        for email in emails
    ]
    return {
        "customer": customer,
        "tier": "gold",
        "uses": sorted(uses),
        "tags": {"region": region},
        "people": people,
    }


def shop(nginx: Nginx, impact: str = "major") -> Watch:
    """Watch an nginx by its process and by a request; its trouble hurts users in this region."""
    labels = {"service": "shop"}
    return Watch(
        service="shop",
        probes=(
            {
                "process": {"group": "nginx", "pidfile": str(nginx.pidfile)},
                "name": "nginx",
                "every": "1s",
                "labels": labels,
            },
            {
                "http": {"target": f"http://{nginx.port}/"},
                "every": "1s",
                "timeout": "1s",
                "labels": labels,
            },
        ),
        rule=_rule("ShopDown", "nginx", "shop", impact, SHOP_NOTICE),
        playbook=_playbook(
            "restart-web-server",
            "ShopDown",
            {
                "check": list(nginx.check_argv),
                "start": list(nginx.start_argv),
                "stop": list(nginx.quit_argv),
                "pidfile": str(nginx.pidfile),
            },
            'beforehand_process_count{group="nginx"} > 0',
        ),
        impact=impact,
        affects="uses and region={{ region }}",
    )


def sessions(redis: Redis, impact: str = "major", *, every: str = "1s") -> Watch:
    """Watch a redis by its process; its trouble hurts every user."""
    return Watch(
        service="sessions",
        probes=(
            {
                "process": {"group": "redis", "pidfile": str(redis.pidfile)},
                "name": "redis",
                "every": every,
                "labels": {"service": "sessions"},
            },
        ),
        rule=_rule("SessionsDown", "redis", "sessions", impact, SESSIONS_NOTICE),
        playbook=_playbook(
            "restart-session-store",
            "SessionsDown",
            {"start": list(redis.start_argv), "pidfile": str(redis.pidfile)},
            'beforehand_process_count{group="redis"} > 0',
        ),
        impact=impact,
        affects="uses",
    )


def _rule(alert: str, group: str, service: str, impact: str, notice: str) -> Tree:
    return {
        "alert": alert,
        "expr": f'beforehand_process_count{{group="{group}"}} == 0',
        "labels": {"severity": "critical", "impact": impact, "service": service},
        "annotations": {"summary": "{{ $labels.instance }} has no " + group + ".", "notice": notice},
    }


def _playbook(name: str, alert: str, ways: Tree, expr: str) -> Tree:
    return {
        "playbook": name,
        "summary": "Bring it back after it died.",
        "on": [f'alertname="{alert}"'],
        "mode": "auto",
        "guard": EVERY_GUARD_WIDE,
        # Never by systemd: these servers are ours, and no service of this machine may be touched.
        "steps": [{"service": {"name": f"e2e-{name}", "state": "restarted", "systemd": False, **ways}}],
        "verify": {"expr": expr, "within": "4s", "hold": "1s"},
        "otherwise": "escalate",
    }
