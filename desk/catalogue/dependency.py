"""What a service needs of others: one that must work, or any of several, and how a failure spreads."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from model.decode import MISSING, Decoder
from model.misfit import Misfit, Place
from model.yaml_tree import Mapping as Tree
from model.yaml_tree import Node, Scalar, Sequence


@dataclass(frozen=True, slots=True)
class Ref:
    """The name of something that must stand elsewhere in the catalogue."""

    text: str
    place: Place = field(compare=False)

    @classmethod
    def decode(cls, node: Node, _decoder: Decoder) -> Ref:
        """Read one name and keep its place, so that an unknown one is found where it stands."""
        if not isinstance(node, Scalar):
            raise Misfit("expected a name", "write one word")
        return cls(node.text, node.place)


@dataclass(frozen=True, slots=True)
class Dependency:
    """One thing that a service needs: it is lost only when each of ``services`` has failed."""

    services: tuple[Ref, ...]

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Dependency:
        """Read ``database``, or ``{any: [db-a, db-b]}`` where one of them is enough."""
        cure = "write a name, or {any: [one, another]}"
        if not isinstance(node, Tree):
            return cls((Ref.decode(node, decoder),))
        many = node.get("any")
        if many is None or len(node.pairs) != 1 or not isinstance(many, Sequence):
            raise Misfit("expected the one key any, with a list", cure)
        found = tuple(one for item in many.items if (one := decoder.value(item, Ref)) is not MISSING)
        if len({one.text for one in found}) < 2:
            raise Misfit("any is a choice between two services or more", cure, key="any")
        return cls(found)

    @property
    def names(self) -> tuple[str, ...]:
        """The services, in the order written."""
        return tuple(ref.text for ref in self.services)

    def lost(self, failed: Collection[str]) -> bool:
        """Tell whether nothing of it is left when these have failed."""
        return all(name in failed for name in self.names)

    def __str__(self) -> str:
        return " or ".join(self.names)


Needs = Mapping[str, tuple[Dependency, ...]]
"""What each service needs, by its name."""


def needed(needs: Needs, service: str) -> tuple[str, ...]:
    """Return all that a service needs, directly and by way of others, the nearest first."""
    return tuple(name for name in _ways(needs, service) if name != service)


def needing(needs: Needs, service: str) -> tuple[str, ...]:
    """Return a service and all that need it, directly and by way of others."""
    users = _users(needs)
    found = [service]
    for name in found:
        found += [user for user in users.get(name, ()) if user not in found]
    return tuple(found)


def _users(needs: Needs) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for service in needs:
        for name in _names(needs, service):
            users.setdefault(name, []).append(service)
    return users


def way(needs: Needs, service: str, cause: str) -> tuple[str, ...]:
    """Return the shortest way from a service to one that it needs, both included; empty without any."""
    return _ways(needs, service).get(cause, ()) if service != cause else ()


def _ways(needs: Needs, service: str) -> dict[str, tuple[str, ...]]:
    ways: dict[str, tuple[str, ...]] = {service: (service,)}
    waiting = deque([service])
    while waiting:
        here = waiting.popleft()
        for name in _names(needs, here):
            if name not in ways:
                ways[name] = (*ways[here], name)
                waiting.append(name)
    return ways


def _names(needs: Needs, service: str) -> Iterator[str]:
    return (name for dependency in needs.get(service, ()) for name in dependency.names)


def brought_down(needs: Needs, failed: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return which services cannot work while these have failed, each with the way to what failed.

    A way runs from the service to the failed one. A choice is lost only when nothing of it is left.
    """
    ways: dict[str, tuple[str, ...]] = {name: (name,) for name in failed}
    users = _users(needs)
    waiting = deque(ways)
    while waiting:
        here = waiting.popleft()
        for user in users.get(here, ()):
            if user in ways:
                continue
            if any(here in one.names and one.lost(ways) for one in needs[user]):
                ways[user] = (user, *ways[here])
                waiting.append(user)
    return ways


def circles(needs: Needs) -> Iterator[tuple[str, ...]]:
    """Yield each circle of services that need each other, its first name again at its end."""
    done: set[str] = set()
    for start in needs:
        if start in done:
            continue
        path: list[str] = []
        on_path: set[str] = set()
        waiting = [(start, False)]
        while waiting:
            name, leaving = waiting.pop()
            if leaving:
                path.pop()
                on_path.discard(name)
                done.add(name)
            elif name in on_path:
                yield (*path[path.index(name) :], name)
            elif name not in done:
                path.append(name)
                on_path.add(name)
                waiting.append((name, True))
                waiting += ((other, False) for other in dict.fromkeys(_names(needs, name)))
