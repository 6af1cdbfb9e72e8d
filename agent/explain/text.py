"""An explanation as text for people: one paragraph for each step of the walk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model.labels import Labels

LINES_MAX: Final = 2_000


def text(told: Mapping[str, Any]) -> str:
    """Return an explanation as lines; nothing in it can move the cursor."""
    lines = []
    for number, line in enumerate(_lines(told)):
        if number >= LINES_MAX:
            lines.append("...")
            break
        lines.append("".join(c if c.isprintable() else " " for c in line).rstrip())
    return "\n".join(lines)


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    yield f"{told['asked']} at {told['at']}"
    if told["hint"]:
        yield told["hint"]
    for rule in told["rules"]:
        yield ""
        yield from _rule(rule)


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    yield f"RULE {rule['alert']}, group {rule['group']} every {rule['interval']}, {rule['place']}"
    held = f"; kept firing for {rule['keep_firing_for']}" if rule["keep_firing_for"] != "0s" else ""
    yield f"  fires after {rule['for']}{held}; last judged {rule['evaluated'] or 'never'}"
    if rule["error"]:
        yield f"  its last evaluation failed: {rule['error']}"
    yield "SAMPLES"
    for selector in rule["selectors"]:
        yield f"  {selector['text']}: {_count(selector['count'], 'series')}"
        if selector["hint"]:
            yield f"    {selector['hint']}"
        for one in selector["series"]:
            yield f"    {_labels(one['labels'])} = {one['value']}, {one['age_s']:.1f} s old"
    yield "EXPRESSION"
    for part in rule["parts"]:
        yield from _part(part)
    if not rule["alerts"]:
        yield "ALERTS"
        yield "  none: the expression returns nothing, or has not been judged yet"
    for alert in rule["alerts"]:
        yield from _alert(alert)
    if rule["alerts_left_out"]:
        yield f"and {rule['alerts_left_out']} more alerts"


def _part(part: Mapping[str, Any]) -> Iterator[str]:
    indent = "  " * (part["depth"] + 1)
    if part["error"]:
        yield f"{indent}{part['text']}: {part['error']}"
    elif len(part["values"]) == 1 and not part["values"][0]["labels"]:
        yield f"{indent}{part['text']} = {part['values'][0]['value']}"
    else:
        yield f"{indent}{part['text']}: {_count(part['count'], 'results')}"
        for one in part["values"]:
            yield f"{indent}  {_labels(one['labels'])} = {one['value']}"


def _alert(alert: Mapping[str, Any]) -> Iterator[str]:
    yield f"ALERT {_labels(alert['labels'])}"
    yield f"  {alert['state']} with the value {alert['value']}, active since {alert['active']}"
    yield f"  {alert['timer']}"
    if alert["unknown_since"]:
        yield f"  unknown since {alert['unknown_since']}: kept as it was, neither healed nor resolved"
    for target in alert["unseen"]:
        yield f"  {target} cannot be seen"
    yield "HEALING"
    yield f"  playbook: {alert['playbook'] or 'none answers'}"
    for near in alert["near_misses"]:
        yield f"  not {near['playbook']}: {near['reason']}"
    yield f"  guards, asked now: {alert['guard']}"
    remedy = alert["remedy"]
    if remedy and (remedy["reason"] or remedy["playbook"]):
        escalates = "; people were called" if remedy["escalate"] else ""
        yield f"  it stands as {remedy['status']}: {remedy['reason']}{escalates}"
    for run in alert["runs"]:
        yield from _run(run)
    for desk in alert.get("desks", ()):
        yield from _desk(desk)


def _run(run: Mapping[str, Any]) -> Iterator[str]:
    yield f"  run {run['run']} of {run['playbook']}, {run['outcome'] or run['stage']}: {run['reason']}"
    for step in run["steps"]:
        came = {True: "done", False: "failed", None: "open"}[step["ok"]]
        took = f" in {step['duration_ms'] / 1000:.1f} s" if step.get("duration_ms") else ""
        why = f": {step['reason']}" if step["reason"] else ""
        yield f"    {step['number']}. {step['step']}, {came}{took}{why}"
        for line in step["output"].splitlines() if step.get("evidence") else ():
            yield f"       {line}"


def _desk(desk: Mapping[str, Any]) -> Iterator[str]:
    yield f"DESK {desk['desk']}"
    if desk["trouble"]:
        yield f"  {desk['trouble']}"
    elif not desk["incidents"]:
        yield "  no incident holds this alert"
    for one in desk["incidents"]:
        yield f"  incident {one['id']} of {one['service']}, {one['impact']}, {one['state']}: {one['reason']}"
        if one["scope_refused"]:
            yield f"    {one['scope_refused']}"
        for person in one["told"]:
            heard = ", ".join(person["notices"]) or "a notice"
            yield f"    told {person['name']} of {person['customer']} ({heard}): {_why(person['why'])}"
        for person in one["not_told"]:
            yield f"    not told {person['name']} of {person['customer']}: {_why(person['why'])}"
        for notice in one["notices"]:
            why = f": {notice['reason']}" if notice["reason"] else ""
            yield f"    notice {notice['kind']}, {notice['state']}{why}"


def _why(reason: object) -> str:
    return str(reason or "no reason was kept")


def _labels(labels: Mapping[str, str]) -> str:
    return str(Labels.of(labels)) or "{}"


def _count(count: int, word: str) -> str:
    return f"no {word}" if not count else f"{count} {word}"
