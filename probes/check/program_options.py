"""What a user says of a program to be run: its arguments, its environment and its secrets."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from model.decode import MISSING, Decoder, Raw
from model.misfit import Misfit
from model.yaml_tree import Node

ARGUMENTS_MAX: Final = 256
ARGUMENT_BYTES_MAX: Final = 8192
SECRET_BYTES_MAX: Final = 64 << 10

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class Unreadable(Exception):
    """A secret cannot be read; the text is a sentence that does not hold it."""


@dataclass(frozen=True, slots=True)
class Argv:
    """A program by its absolute path, and its arguments; no shell reads them."""

    words: tuple[str, ...]

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Argv:
        """Read a list of texts; numbers in it are taken as they are written."""
        words = decoder.value(node, tuple[Raw, ...])
        if words is MISSING:
            return cls(("/",))  # noted as a problem already
        if not words or not words[0].startswith("/"):
            raise Misfit(
                "argv begins with the absolute path of a program", "write it like [/usr/bin/true, -x]"
            )
        if len(words) > ARGUMENTS_MAX or any(len(w.encode()) > ARGUMENT_BYTES_MAX for w in words):
            sentence = (
                f"argv has more than {ARGUMENTS_MAX} words, or one of more than {ARGUMENT_BYTES_MAX} bytes"
            )
            raise Misfit(sentence, "put what is long in a file")
        if any("\0" in word for word in words):
            raise Misfit("argv holds a NUL character", "leave it out")
        return cls(tuple(map(str, words)))


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables for a program, each with its value, or with the path of a file that holds it."""

    variables: tuple[tuple[str, str], ...] = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Environment:
        """Read a mapping of names to texts; numbers are taken as they are written."""
        each = decoder.value(node, Mapping[str, Raw])
        pairs = () if each is MISSING else tuple((name, str(value)) for name, value in each.items())
        for name, value in pairs:
            if not _NAME.fullmatch(name) or "\0" in value:
                raise Misfit(f"{name[:40]!r} cannot be a variable", "use letters, digits and _", key=name)
        return cls(pairs)


NO_VARIABLES: Final = Environment()


def environment(given: Environment, from_files: Environment) -> dict[str, str]:
    """Return the variables for a program, with the secrets that lie in files; raises ``Unreadable``."""
    return {**dict(given.variables), **dict(_secrets(from_files.variables))}


def _secrets(variables: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, path in variables:
        try:
            # A pipe in its place must not block the probe.
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except (OSError, ValueError) as wrong:
            raise Unreadable(f"the secret for {name} in {path} cannot be read: {wrong}") from None
        try:
            regular = stat.S_ISREG(os.fstat(handle).st_mode)
            data = os.read(handle, SECRET_BYTES_MAX + 1) if regular else b""
        finally:
            os.close(handle)
        if not regular or len(data) > SECRET_BYTES_MAX or b"\0" in data:
            sentence = f"{path} is not a text file of at most {SECRET_BYTES_MAX} bytes, as {name} needs"
            raise Unreadable(sentence)
        yield name, data.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")
