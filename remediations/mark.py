"""Marks: small files in the state folder by which a human tells the agent something, whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from remediations.redact import presentable


class Unread(Exception):
    """A mark is there and cannot be read; the text says why."""


def read(path: Path, bytes_max: int) -> bytes | None:
    """Return what a mark says, None where there is none; raises ``Unread``, never waits for data."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as wrong:
        raise Unread(wrong.strerror) from wrong
    try:
        return os.read(fd, bytes_max)
    except OSError as wrong:
        raise Unread(wrong.strerror) from wrong
    finally:
        os.close(fd)


def write(path: Path, content: bytes) -> None:
    """Put a mark there; it is whole and on disk when this returns."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.replace(path)
    _settle(path.parent)


def erase(path: Path) -> bool:
    """Take a mark away; tell whether it was there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    _settle(path.parent)
    return True


def said(data: bytes) -> Mapping[str, object]:
    """Return the fields of a mark; what a human wrote by hand is taken as the reason."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        content = {"because": data.decode(errors="replace")}
    return content if isinstance(content, dict) else {}


def line(value: object) -> str:
    """Return a text that somebody wrote into a mark, as one line that can be shown."""
    text = presentable(value.encode(errors="replace"), 1000) if isinstance(value, str) else ""
    return " ".join(text.split())


def _settle(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
