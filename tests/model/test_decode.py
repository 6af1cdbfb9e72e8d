from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import pytest

from model.decode import Raw, decode
from model.duration import Duration, seconds
from model.misfit import Misfit, Place, Rejected
from model.yaml_tree import FILE_BYTES_MAX, NODES_MAX


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Job:
    name: str
    every: Duration = seconds(15)
    for_: Duration = seconds(0)
    tries: int = 3
    ratio: float = 0.5
    loud: bool = False
    colour: Colour = Colour.RED
    mode: Literal["fast", "slow"] = "slow"
    labels: Mapping[str, Raw] | None = None
    place: Place = Place("")

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise Misfit("tries must be at least 1", "raise it", key="tries")


@dataclass(frozen=True, slots=True)
class Config:
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Whisper:
    text: str

    @classmethod
    def parse(cls, text: str) -> Whisper:
        if "!" in text:
            raise Misfit("too loud", "whisper", offset=text.index("!"))
        return cls(text)


@dataclass(frozen=True, slots=True)
class Letter:
    body: Whisper
    more: str = ""


def mistakes(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(Rejected) as refused:
        decode(data, "a.yaml", Config)
    return [str(problem) for problem in refused.value.problems]


def test_a_file_becomes_typed_values_with_their_places() -> None:
    text = (
        "jobs:\n- {name: x, every: 1h5m, for: 2s, tries: 4, ratio: 1, loud: true,"
        " colour: blue, mode: fast, labels: {a: no}}\n"
    )
    (job,) = decode(text.encode(), "a.yaml", Config).jobs
    assert (job.name, str(job.every), job.for_, job.tries, job.ratio) == ("x", "1h5m", seconds(2), 4, 1.0)
    assert (job.loud, job.colour, job.mode, job.labels) == (True, Colour.BLUE, "fast", {"a": "no"})
    assert job.place == Place("a.yaml", 2, 3)


def test_every_mistake_is_told_at_once_with_place_and_cure() -> None:
    text = "jobs:\n- nam: x\n  every: 5 m\n- name: y\n  tries: soon\n  name: z\n"
    assert mistakes(text) == [
        "a.yaml:2:3: the key 'name' is missing; add name:",
        "a.yaml:2:3: unknown key 'nam'; did you mean 'name'?",
        "a.yaml:3:10: '5 m' is not a duration; write it like 15s, 5m or 1h30m",
        "a.yaml:5:10: expected a number, got 'soon'; write it without quotes, in decimal, like 12 or 0.5",
        "a.yaml:6:3: the key 'name' is given twice, first in line 4; keep one of them",
    ]


def test_a_rule_over_several_keys_points_at_the_key_that_breaks_it() -> None:
    assert mistakes("jobs:\n- name: x\n  tries: 0\n") == ["a.yaml:3:3: tries must be at least 1; raise it"]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("name: 1.10", "expected a text, got 1.10"),
        ("name: 0644", "expected a text, got 0644"),
        ("name: true", "expected a text, got true"),
        ("name:", "expected a text, got nothing"),
        ("name: [a]", "expected a text, got a list"),
        ("{name: x, tries: 0644}", "expected a number, got '0644'"),
        ("{name: x, tries: 1_000}", "expected a number, got '1_000'"),
        ("{name: x, tries: 22:22}", "expected a number, got '22:22'"),
        ("{name: x, tries: 1.5}", "expected a whole number, got 1.5"),
        ("{name: x, ratio: .inf}", "expected a number, got '.inf'"),
        ("{name: x, ratio: .nan}", "expected a number, got '.nan'"),
        ("{name: x, ratio: 1e999}", "expected a number, got '1e999'"),
        ("{name: x, tries: " + "9" * 5000 + "}", "expected a number, got '" + "9" * 40 + "'"),
        ("{name: x, loud: yes}", "expected true or false, got 'yes'"),
        ("{name: x, colour: green}", "expected one of red, blue, got 'green'"),
        ("{name: x, mode: {}}", "expected one of fast, slow, got a mapping"),
        ("{name: x, every: -5s}", "'-5s' is not a duration"),
        ("{name: x, every: [1]}", "expected a duration, got a list"),
        ("{name: x, labels: 3}", "expected a mapping, got '3'"),
    ],
)
def test_a_wrong_type_is_named(value: str, sentence: str) -> None:
    (mistake,) = mistakes(f"jobs:\n- {value}\n")
    assert f": {sentence};" in mistake


@pytest.mark.parametrize("word", ["no", "on", "off", "y", "yes"])
def test_a_word_that_old_yaml_took_for_a_truth_stays_a_text(word: str) -> None:
    (job,) = decode(f"jobs: [{{name: {word}}}]".encode(), "a.yaml", Config).jobs
    assert job.name == word


@pytest.mark.parametrize("depth", [33, 30_000, 300_000])
def test_nested_brackets_are_refused_without_a_crash(depth: int) -> None:
    (mistake,) = mistakes("[" * depth)
    assert mistake == "a.yaml:1:33: the nesting is too deep; nest at most 32 levels"


def test_an_alias_bomb_is_refused_by_what_it_would_become() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
        for old, new in zip("abcde", "bcdef", strict=True)
    )
    (mistake,) = mistakes(bomb)
    assert "the file holds too many values" in mistake


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"word", "expected a mapping, got 'word'"),
        (b"- a\n", "expected a mapping, got a list"),
        (b"a: &a [*a]\n", "the alias *a has no finished anchor before it"),
        (b"a: *b\n", "the alias *b has no finished anchor before it"),
        (b"jobs: []\n---\njobs: []\n", "a second document starts here"),
        (b"jobs:\n\t- x\n", "this is not YAML"),
        (
            b"jobs: !!python/object/apply:os.system [id]\n",
            "the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not supported",
        ),
        (b"jobs: !!binary aGk=\n", "the tag 'tag:yaml.org,2002:binary' is not supported"),
        (b"jobs: [{<<: {name: x}}]\n", "merge keys are not supported"),
        (b"? [a]\n: b\n", "a key must be a text"),
        (b"jobs: \x00\n", "the control character U+0000 stands here"),
        (b"jobs: \x1b[31m\n", "the control character U+001B stands here"),
        (b"jobs: \xff\n", "byte 6 is not UTF-8"),
        ("jobs: []".encode("utf-16"), "byte 0 is not UTF-8"),
        (b"#" * (FILE_BYTES_MAX + 1), "the file has 1048577 bytes"),
        (b"jobs: [" + b"x," * NODES_MAX + b"]", "the file holds too many values"),
    ],
)
def test_a_file_of_the_wrong_form_is_refused(data: bytes, sentence: str) -> None:
    assert any(f": {sentence}" in mistake for mistake in mistakes(data)), mistakes(data)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert decode(b"\xef\xbb\xbfjobs: []", "a.yaml", Config).jobs == ()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("body: |\n  one\n  two!\n", "3:6"),
        ("more: x\nbody: |\n  one\n  two!\n", "4:6"),
        ("body: one!\n", "1:10"),
        ("body: 'one!'\n", "1:11"),
    ],
)
def test_a_mistake_inside_a_text_is_found_in_its_line(text: str, place: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(text.encode(), "a.yaml", Letter)
    assert str(refused.value) == f"a.yaml:{place}: too loud; whisper"
