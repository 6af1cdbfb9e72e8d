"""What Alertmanager's API v2 promises of each answer (its openapi.yaml): required keys, and their kinds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

TIME: Final = "time"
STATE: Final = ("active", "suppressed", "unprocessed")
RECEIVER: Final = {"name": str}
LABELS: Final = {"*": str}
ALERT: Final = {
    "labels": LABELS,
    "annotations": LABELS,
    "startsAt": TIME,
    "endsAt": TIME,
    "updatedAt": TIME,
    "generatorURL": str,
    "fingerprint": str,
    "receivers": [RECEIVER],
    "status": {"state": STATE, "silencedBy": [str], "inhibitedBy": [str], "mutedBy": [str]},
}
GROUP: Final = {"labels": LABELS, "receiver": RECEIVER, "alerts": [ALERT]}
SILENCE: Final = {
    "id": str,
    "status": {"state": ("active", "pending", "expired")},
    "matchers": [{"name": str, "value": str, "isRegex": bool, "isEqual": bool}],
    "startsAt": TIME,
    "endsAt": TIME,
    "updatedAt": TIME,
    "createdBy": str,
    "comment": str,
}
STATUS: Final = {
    "cluster": {"status": ("ready", "settling", "disabled"), "peers": list},
    "config": {"original": str},
    "uptime": TIME,
    "versionInfo": dict.fromkeys(
        ("branch", "buildDate", "buildUser", "goVersion", "revision", "version"), str
    ),
}


def misfits(value: Any, shape: Any, at: str = "$") -> list[str]:
    """Return where an answer is not what its reader needs; more keys than that are nobody's trouble."""
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [one for n, item in enumerate(value) for one in misfits(item, shape[0], f"{at}[{n}]")]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{at} is no object"]
        inner = dict.fromkeys(value, shape["*"]) if "*" in shape else shape
        missing = [f"{at}.{key} is missing" for key in inner.keys() - value.keys()]
        return missing + [
            one
            for key in inner.keys() & value.keys()
            for one in misfits(value[key], inner[key], f"{at}.{key}")
        ]
    if shape == TIME:
        return [] if isinstance(value, str) and datetime.fromisoformat(value).tzinfo else [f"{at} is no time"]
    fits = value in shape if isinstance(shape, tuple) else isinstance(value, shape)
    return [] if fits else [f"{at} is {value!r}"]
