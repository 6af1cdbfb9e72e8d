"""Rotate logs now, by logrotate and one of its own files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit
from model.plugin import Action
from model.step import Exec, Host, Risk, Step

_CONFIG: Final = re.compile(r"/etc/logrotate\.conf|/etc/logrotate\.d/[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
TIMEOUT_S: Final = 300.0


class ConfigPath(str):
    """One of the files from which logrotate works anyway."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> ConfigPath:
        """Refuse every other file: such a file names programs that are run."""
        if not _CONFIG.fullmatch(text):
            raise Misfit(
                f"{text[:40]!r} is not one of logrotate's own files",
                "write /etc/logrotate.conf or /etc/logrotate.d/nginx",
            )
        return cls(text)


USUAL: Final = ConfigPath("/etc/logrotate.conf")


@dataclass(frozen=True, slots=True)
class Options:
    """Which of logrotate's files, and whether what is not due is rotated as well (``force``)."""

    config: ConfigPath = USUAL
    force: bool = True


def plan(options: Options, _host: Host) -> Iterator[Step]:
    """Have the file read without acting first, so that nothing is done by half of it."""
    yield Exec(("logrotate", "--debug", options.config))
    force = ("--force",) if options.force else ()
    yield Exec(("logrotate", *force, options.config), timeout_s=TIMEOUT_S)


def touches(_options: Options) -> frozenset[str]:
    """All of logrotate's files share one memory of what was rotated when."""
    return frozenset({"logs:rotation"})


ACTION = Action("rotate_logs", Options, plan, risk=Risk.REVERSIBLE, touches=touches)
