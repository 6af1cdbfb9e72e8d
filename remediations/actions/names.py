"""Names that options of actions may carry, each refused where it could mean something else."""

from __future__ import annotations

import re
from typing import Final

from model.misfit import Misfit

_CONTAINER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_USER: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}|[0-9]{1,9}")
_PROGRAM: Final = re.compile(r"(/[A-Za-z0-9_.+@-]+)*/?[A-Za-z0-9_.+@-]+")
_PACKAGE: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{0,127}")
_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")
_GROUP: Final = re.compile(r"(/[A-Za-z0-9_.@:\\-]{1,128}){1,16}")


class ContainerName(str):
    """A container's name or id."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ContainerName:
        """Take what docker takes."""
        if not _CONTAINER.fullmatch(text):
            raise Misfit(f"{text[:40]!r} is not a container's name", "write it like shop-web-1")
        return cls(text)


class UserName(str):
    """A user's name, or its number."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> UserName:
        """Take what useradd(8) takes."""
        if not _USER.fullmatch(text):
            raise Misfit(f"{text[:40]!r} is not a user's name", "write it like www-data")
        return cls(text)


class ProgramName(str):
    """A program, by its absolute path or by its plain name."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ProgramName:
        """Refuse relative paths."""
        if not _PROGRAM.fullmatch(text) or ".." in text or ("/" in text and not text.startswith("/")):
            raise Misfit(f"{text[:40]!r} is not a program", "write it like nginx or /usr/sbin/nginx")
        return cls(text)


class PackageName(str):
    """A package of Debian (Debian Policy, 5.6.1)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> PackageName:
        """Refuse options, versions and the ending - by which apt removes a package."""
        if not _PACKAGE.fullmatch(text) or text.endswith(("-", "+")) or len(text) < 2:
            raise Misfit(f"{text[:40]!r} is not a package", "write it like openssl")
        return cls(text)


class Word(str):
    """A name of something elsewhere: a backend, a database, a certificate."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Word:
        """Take letters, digits, dot, colon, dash and underscore; never an option."""
        if not _WORD.fullmatch(text) or ".." in text:
            raise Misfit(f"{text[:40]!r} is not a name", "write it with letters, digits, . : - and _")
        return cls(text)


class ControlGroup(str):
    """A control group by its path, like ``/system.slice/nginx.service`` (cgroups(7))."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ControlGroup:
        """Refuse the root, which all processes are in."""
        if not _GROUP.fullmatch(text) or ".." in text:
            raise Misfit(f"{text[:40]!r} is not a control group", "write it like /system.slice/nginx.service")
        return cls(text)
