"""The agent as an ordinary user: give up root, then do what ``beforehand agent`` does."""

from __future__ import annotations

import codecs
import concurrent.futures.thread  # noqa: F401  what is looked up late may not be readable then
import os
import pwd
import sys

import agent.daemon
import agent.start


def drop(name: str) -> None:
    """Become this user, for good, where that is possible."""
    for encoding in ("utf-8-sig", "idna", "latin-1", "ascii"):
        codecs.lookup(encoding)
    if os.geteuid() == 0:
        user = pwd.getpwnam(name)
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


if __name__ == "__main__":
    drop("nobody")
    sys.exit(agent.start.main(sys.argv[1:]))
