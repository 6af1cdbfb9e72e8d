"""Staff whose tokens are the same in every test."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from desk.staff.staff import Staff, StaffFile, joined, written
from model.decode import decode

_MEMBERS: Final = {
    "vic": ("viewer", ""),
    "ops": ("operator", ""),
    "eve": ("approver", "eve@shop.example"),
    "finn": ("operator, approver", "finn@shop.example"),
    "root": ("admin", ""),
    "grafana": ("operator", ""),
}


def token(name: str, of: str = "") -> str:
    """Return somebody's token; ``of`` makes another one of the same person."""
    seed = hashlib.sha512(f"{name} {of}".encode()).digest()
    return written(seed[:38])


def entry(name: str, may: str, email: str = "", until: str = "2099-12-31", of: str = "") -> str:
    """Return the lines of a file of staff for one token."""
    made = token(name, of)
    lines = [
        f"- name: '{name}'",
        f"  token: '{made[4:16]}'",
        f"  sha256: '{hashlib.sha256(made.encode()).hexdigest()}'",
        f"  may: [{may}]",
        f"  until: {until}",
        *([f"  email: {email}"] if email else []),
    ]
    return "\n".join(lines) + "\n"


TEXT: Final = "staff:\n" + "".join(entry(name, *rest) for name, rest in _MEMBERS.items())


def roster(text: str = TEXT) -> Staff:
    """Return the staff of a file."""
    return joined(decode(text.encode(), "staff.yaml", StaffFile).staff)


def bearer(name: str, of: str = "") -> dict[str, str]:
    """Return the header that shows a token."""
    return {"Authorization": f"Bearer {token(name, of)}"}


def hire(folder: Path, text: str = TEXT, mode: int = 0o600) -> str:
    """Write a file of staff; return the line of desk.yaml that names it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "staff.yaml"
    path.write_text(text)
    path.chmod(mode)
    return "staff: staff.yaml\n"
