"""The state directory: where everything lies that must outlive the process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

DEFAULTS: Final = Path(__file__).parent / "defaults"
"""The configuration that is taken when none is named."""


class Taken(Exception):
    """Another process already works in this state directory."""


class StateDirectory:
    """One agent's directory, locked for as long as this object is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = os.open(path / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise Taken(
                f"another agent already works in {path}; stop it, or choose another --state"
            ) from None

    @property
    def alerts(self) -> Path:
        """The SQLite file of alerts."""
        return self.path / "alerts.db"

    @property
    def runs(self) -> Path:
        """The SQLite file of remediation runs."""
        return self.path / "runs.db"

    @property
    def heartbeats(self) -> Path:
        """The SQLite file of what jobs told."""
        return self.path / "heartbeats.db"

    @property
    def samples(self) -> Path:
        """The directory of the sample log."""
        return self.path / "samples"

    @property
    def unusual(self) -> Path:
        """The file of what is usual."""
        return self.path / "unusual.json"

    @property
    def exhaustion(self) -> Path:
        """The file of what was used of each resource."""
        return self.path / "exhaustion.json"

    @property
    def evidence(self) -> Path:
        """The file of what evidence each desk has."""
        return self.path / "evidence.json"

    @property
    def undo(self) -> Path:
        """The directory of what an undo needs."""
        return self.path / "undo"

    @property
    def leases(self) -> Path:
        """The file that names the services of which the desk may count a lease to this host."""
        return self.path / "leases.json"

    @property
    def switch(self) -> Path:
        """The kill switch."""
        return switch_file(self.path)

    @property
    def holds(self) -> Path:
        """The directory of what people hold back."""
        return holds_folder(self.path)

    @property
    def approvals(self) -> Path:
        """The directory of what people answered."""
        return approvals_folder(self.path)

    @property
    def deployed(self) -> Path:
        """The mark of the last deploy."""
        return deployed_file(self.path)

    def close(self) -> None:
        """Let another process have the directory."""
        os.close(self._lock)


def switch_file(state: Path) -> Path:
    """Return the kill switch of the agent that keeps its state here."""
    return state / "STOP"


def switch_files(state: Path) -> tuple[Path, ...]:
    """Return the kill switches of hand and agent, or of the one whose own state directory is given."""
    own = [state / name for name in ("hand", "agent") if (state / name).is_dir()]
    return tuple(switch_file(one) for one in own or [state])


def holds_folder(state: Path) -> Path:
    """Return where the agent that keeps its state here finds what people hold back."""
    return state / "holds"


def approvals_folder(state: Path) -> Path:
    """Return where the agent that keeps its state here finds what people answered."""
    return state / "approvals"


def deployed_file(state: Path) -> Path:
    """Return the mark whose time says to the agent that keeps its state here when something was deployed."""
    return state / "deployed"


def inner(state: Path) -> Path:
    """Return the agent's own state directory, where that of ``beforehand run`` is given."""
    own = state / "agent"
    return own if own.is_dir() else state


def here() -> Path:
    """Return where state lies for this user, when nobody says."""
    return default_state(dict(os.environ), os.getuid())


def default_state(environment: dict[str, str], uid: int) -> Path:
    """Return where state lies when nobody says: systemd's directory, root's, or the user's own."""
    given: Final = environment.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    if uid == 0:
        return Path("/var/lib/beforehand")
    home = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '.')}/.local/state"
    return Path(home) / "beforehand"
