"""The catalogue that somebody could have written about a world: what is known of it, and no more."""

from __future__ import annotations

import json
import random

from bench.recipients.world import World
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.file import LIMITS, CatalogueFile, joined
from model.decode import decode

MOVED = 0.1
"""Which part of the customers lives elsewhere by now than the catalogue says, in the one that is stale."""


def catalogue(world: World, moved: random.Random | None = None) -> Catalogue:
    """Write the catalogue down and read it, as the desk does; ``moved`` makes it stale."""
    text = json.dumps({"services": _services(world), "customers": _customers(world, moved)})
    return joined([decode(text.encode(), "catalogue", CatalogueFile, LIMITS)])


def _services(world: World) -> list[dict[str, object]]:
    return [
        {
            "service": name,
            "depends_on": [
                need.any_of[0] if len(need.any_of) == 1 else {"any": list(need.any_of)}
                for need in needs
                if need.known
            ],
            "impact": [
                {"when": 'alertname="Down"', "impact": "major", "affects": "uses"},
                _narrow("RegionDown", "region"),
                _narrow("ShardDown", "shard"),
                _narrow("HostDown", "shard"),
                _narrow("TenantDown", "customer", "tenant"),
            ],
            "hosts": {
                host: {"shard": [shard.name for shard in world.serves(name, host)]}
                for host in sorted(world.hosts(name, world.shards))
            },
        }
        for name, needs in world.needs.items()
    ]


def _narrow(alert: str, tag: str, label: str = "") -> dict[str, str]:
    affects = f"uses and {tag}={{{{ {label or tag} }}}}"
    return {"when": f'alertname="{alert}"', "impact": "partial", "affects": affects}


def _customers(world: World, moved: random.Random | None) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for account in world.accounts:
        shard = account.shard
        if moved is not None and moved.random() < MOVED:
            shard = moved.choice(world.shards)
        found.append(
            {
                "customer": account.name,
                "uses": list(account.uses),
                "tags": {"region": shard.region, "shard": shard.name},
                "people": [{"name": "Somebody", "email": email} for email in account.people],
            }
        )
    return found
