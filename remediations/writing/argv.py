"""Command lines as lists of words, refused where a shell or code of another language hides in them."""

from __future__ import annotations

import re
from collections.abc import Sequence as Words
from pathlib import PurePosixPath
from typing import Final, cast

from model.decode import MISSING, Decoder
from model.misfit import Misfit
from model.yaml_tree import Node, Scalar, Sequence

WORDS_MAX: Final = 64
WORD_BYTES_MAX: Final = 4096

_SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh"})
_INLINE: Final = {
    "python": ("-c",),
    "pypy": ("-c",),
    "perl": ("-e", "-E"),
    "ruby": ("-e",),
    "node": ("-e", "--eval", "-p", "--print"),
    "nodejs": ("-e", "--eval", "-p", "--print"),
    "php": ("-r",),
    "lua": ("-e",),
}
_ALWAYS_CODE: Final = frozenset({"awk", "gawk", "mawk", "nawk", "eval", "expect", "tclsh"})
_FILLED_IN: Final = re.compile(r"\{\{\s*[$.]")
_SIGNS: Final = re.compile(r"[|&;<>`]|\$\(")


class Argv(tuple[str, ...]):
    """The words of one command; the first is a program by absolute path or by plain name."""

    __slots__ = ()

    @classmethod
    def decode(cls, node: Node, decoder: Decoder) -> Argv:
        """Read a list of words; a single text would need a shell to split it, so it is refused."""
        if not isinstance(node, Sequence):
            written = node.text if isinstance(node, Scalar) else ""
            raise Misfit("a command is a list of words, not a text", f"write [{_listed(written)}]")
        words = []
        for item in node.items:
            if not isinstance(item, Scalar):
                raise Misfit("a command is a list of words", "write each word as a text")
            words.append(item.text)
        wrong = mistake(words)
        if wrong is None:
            return cls(words)
        place = node.items[wrong.offset].place if node.items else node.place
        decoder.refuse(place, wrong.sentence, wrong.cure)
        return cast("Argv", MISSING)  # the decoder's mark for what it refused


def mistake(words: Words[str]) -> Misfit | None:
    """Return what is wrong with a command, its offset counting words, or None."""
    if not 1 <= len(words) <= WORDS_MAX:
        return Misfit(f"a command has 1 to {WORDS_MAX} words, got {len(words)}", "write [program, argument]")
    for index, word in enumerate(words):
        wrong = _word_mistake(word)
        if wrong is not None:
            return Misfit(wrong.sentence, wrong.cure, offset=index)
    return _program_mistake(words[0]) or _code_mistake(words)


def _word_mistake(word: str) -> Misfit | None:
    if len(word.encode(errors="replace")) > WORD_BYTES_MAX:
        return Misfit("the word is too long", f"keep it within {WORD_BYTES_MAX} bytes")
    if any(not character.isprintable() for character in word):
        return Misfit(f"{word[:40]!r} holds a character that cannot be printed", "remove it")
    if _FILLED_IN.search(word):
        return Misfit("labels and values are not filled into commands", "write the word itself")
    return None


def _program_mistake(program: str) -> Misfit | None:
    if not program or program.startswith("-"):
        return Misfit(f"{program!r} is not a program", "write its name or its absolute path first")
    if _SIGNS.search(program) or " " in program:
        return Misfit(f"{program!r} is not one word", f"write [{_listed(program)}]")
    if "/" in program and (not program.startswith("/") or ".." in program.split("/")):
        return Misfit(f"{program!r} is a relative path", "write the absolute path, or the name alone")
    return None


def _code_mistake(words: Words[str]) -> Misfit | None:
    """Find a shell or inline code at any word, because env, nice and timeout run what follows them."""
    for index, word in enumerate(words):
        name = PurePosixPath(word).name
        rest = words[index + 1 :]
        language = re.sub(r"[0-9.]+$", "", name)
        if name in _SHELLS and any(re.fullmatch(r"-[a-zA-Z]*c[a-zA-Z]*", option) for option in rest):
            cure = "write the program and its words as a list, or put the script into a file"
            return Misfit(f"{name} -c is a shell with code in a text", cure, offset=index)
        if any(option.startswith(_INLINE.get(language, ("\0",))) for option in rest):
            return Misfit(f"{name} with code in a text", "put the code into a file", offset=index)
        if index == 0 and name in _ALWAYS_CODE and "-f" not in rest:
            return Misfit(f"{name} takes its code from a text", "put the code into a file", offset=index)
    if words[0] == "env" and any(word.startswith(("-S", "--split-string")) for word in words[1:]):
        return Misfit("env -S splits a text like a shell", "write the words as a list")
    if any(word in ("|", "||", "&&", ";", ">", ">>", "<", "2>", "2>&1", "&") for word in words[1:]):
        return Misfit("there is no shell that reads | ; & < >", "write one step for each program")
    return None


def _listed(text: str) -> str:
    words = [word for word in re.split(r"[\s|&;<>]+", text) if word][:6]
    return ", ".join(words) or "program, argument"
