"""Start, stop or restart a container through the API of its engine, where neither it nor a human objects.

The API is Docker Engine's, which podman speaks too: https://docs.docker.com/reference/api/engine/ .
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from model.deed import BringContainer
from model.step import Result
from remediations.deeds.asking import Answer, Request, Stopped, answer, at_socket
from remediations.deeds.doing import Doing
from remediations.deeds.folders import Refused, shown

POLL_S: Final = 0.2
SETTLED_S: Final = 10.0
_VERBS: Final = {"started": "start", "stopped": "stop", "restarted": "restart"}
_NEVER_RAN: Final = frozenset({125, 126, 127})


@dataclass(frozen=True, slots=True)
class Container:
    """What an engine says of a container; ``policy`` is how it restarts by itself."""

    id: str
    status: str
    exit_code: int
    policy: str
    retries_max: int
    restarts: int
    pod: str

    @classmethod
    def of(cls, raw: Any) -> Container:
        """Read the answer of ``/containers/NAME/json``, or raise ``Refused``."""
        try:
            state, host = raw["State"], raw.get("HostConfig") or {}
            policy = host.get("RestartPolicy") or {}
            labels = (raw.get("Config") or {}).get("Labels") or {}
            return cls(
                str(raw["Id"]),
                str(state["Status"]),
                int(state.get("ExitCode") or 0),
                str(policy.get("Name") or "no"),
                int(policy.get("MaximumRetryCount") or 0),
                int(raw.get("RestartCount") or 0),
                str(labels.get("io.kubernetes.pod.name") or ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Refused("what the engine says of the container cannot be understood") from None


def do(step: BringContainer, doing: Doing) -> Result:
    """Look at the container, refuse where it is not to be touched, act, and look again."""
    try:
        container = _look(step, doing)
        reason = refusal(step, container)
        if reason:
            return Result(ok=False, reason=reason)
        before = container.status
        if (step.state == "started" and before == "running") or (
            step.state == "stopped" and before in ("exited", "created")
        ):
            return Result(ok=True, output=f"{step.name} is {before} already")
        if doing.check:
            return Result(ok=True, diff=f"would bring {step.name} from {before} to {step.state}")
        return _act(step, container, doing)
    except Stopped as stopped:
        return Result(ok=False, reason=str(stopped), stopped=str(stopped))
    except Refused as refused:
        return Result(ok=False, reason=str(refused))


def refusal(step: BringContainer, container: Container) -> str:
    """Return why a container is left alone, or the empty text."""
    return next(_objections(step, container), "")


def _objections(step: BringContainer, container: Container) -> Iterator[str]:
    name, code, policy = step.name, container.exit_code, shown(container.policy)
    if container.pod:
        yield f"{name} belongs to the pod {shown(container.pod)}; the kubelet looks after it"
    if container.status in ("paused", "removing", "dead"):
        yield f"{name} is {container.status}, which somebody wanted"
    if step.state == "stopped" or step.back:
        return
    if container.status == "restarting":
        yield f"{name} is restarted by its engine already (policy {policy})"
    if container.status not in ("exited", "stopped"):
        return
    if container.policy in ("always", "unless-stopped"):
        yield f"a human stopped {name} on purpose: by its policy {policy} it would run"
    if code == 0:
        yield f"{name} ended by itself and well (exit code 0)"
    if code in _NEVER_RAN:
        yield f"the program of {name} cannot be run (exit code {code}); a start would not help"
    if container.policy == "on-failure" and 0 < container.retries_max <= container.restarts:
        yield f"its engine started {name} {container.restarts} times in vain"


def _act(step: BringContainer, container: Container, doing: Doing) -> Result:
    query = "" if step.state == "started" else f"?t={step.patience_s:.0f}"
    path = f"/containers/{container.id}/{_VERBS[step.state]}{query}"
    got = _ask(step, Request("POST", path, timeout_s=step.patience_s + 30), doing)
    if got.status not in (204, 304):
        return Result(ok=False, reason=f"the engine refused: {got.status} {_message(got)}")
    running = step.state != "stopped"
    until_s = doing.monotonic() + SETTLED_S
    while ((now := _look(step, doing)).status == "running") is not running:
        if doing.monotonic() >= until_s:
            break
        doing.pause(POLL_S)
    told = f"{step.name} went from {container.status} to {now.status}"
    if (now.status == "running") is not running:
        return Result(ok=False, reason=f"{told}, exit code {now.exit_code}", changed=True)
    return Result(ok=True, output=told, changed=got.status == 204, diff=told)


def _look(step: BringContainer, doing: Doing) -> Container:
    got = _ask(step, Request("GET", f"/containers/{step.name}/json"), doing)
    if got.status != 200:
        raise Refused(f"the engine knows no container {step.name}: {got.status} {_message(got)}")
    return Container.of(_json(got))


def _ask(step: BringContainer, request: Request, doing: Doing) -> Answer:
    return answer(at_socket(step.socket), "localhost", request, doing)


def _json(got: Answer) -> Any:
    try:
        return json.loads(got.body)
    except (ValueError, RecursionError):
        raise Refused("what the engine says is not JSON") from None


def _message(got: Answer) -> str:
    try:
        said = json.loads(got.body)
    except (ValueError, RecursionError):
        return ""
    return shown(str(said.get("message", ""))) if isinstance(said, dict) else ""
