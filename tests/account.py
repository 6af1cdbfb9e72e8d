"""Whom servers run as that refuse to be root."""

from __future__ import annotations

import os
from typing import Any


def account() -> dict[str, Any]:
    """Return what ``subprocess`` takes to run a server as nobody where the tests are root's."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
