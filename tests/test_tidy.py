"""The tree keeps its own rules: small modules, named ideas, no loose ends; each rule is shown to bite."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
ROOMS: Final = ("model", "probes", "rules", "remediations", "agent", "desk")
PLUGINS: Final = ("probes", "remediations/actions", "desk/channels")
BUILT: Final = ("build", "dist", "__pycache__")

MODULE_LINES_MAX: Final = 500
FUNCTION_LINES_MAX: Final = 60
VAGUE_NAMES: Final = ("utils", "util", "common", "helpers", "helper", "manager", "base", "misc")

# The loops of agent and desk log what nobody expected and go on; a worker hands it to the loop.
# The loops that outlive a bug, and those who run what others wrote and pass on whatever it raises.
CATCH_ALLS: Final = (
    "agent/daemon.py", "agent/sight/pool.py", "agent/sight/talks.py", "desk/app.py", "probes/net/blocking.py",
)  # fmt: skip

# A letter in brackets keeps each pattern from finding itself here.
LOOSE_ENDS: Final = re.compile(r"\b([T]ODO|[F]IXME|[X]XX|[H]ACK)\b")
MACHINE_PATHS: Final = re.compile("/[w]ork/|/[r]oot/|/opt/[p]ypi|/opt/[w]heels")
REGISTRIES: Final = re.compile(
    "pypi[.]org|pythonhosted[.]org|npmjs[.]|deb[.]debian[.]org|proxy[.]golang|crates[.]io"
    "|docker[.]io|ghcr[.]io|quay[.]io"
)
EXEMPTION: Final = re.compile(
    r"#\s*(?:noqa|type:\s*ignore)(?P<code>:\s*[A-Z]+[0-9]+(?:, *[A-Z]+[0-9]+)*|\[[a-z-]+\])?(?P<reason>.*)"
)

Rule = Callable[[str], list[str]]


def tracked_files() -> Iterator[Path]:
    """Yield the files of the tree, without what tools leave in it."""
    pending = [ROOT]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            hidden = path.name.startswith(".") and path.name not in (".ci", ".gitignore", ".dockerignore")
            if hidden or path.name in BUILT or path.name.endswith(".egg-info"):
                continue
            if path.is_dir():
                pending.append(path)
            else:
                yield path


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def modules(*rooms: str) -> list[str]:
    """Name the Python files of these rooms, or of all that ship and their tests and measurements."""
    rooms = rooms or (*ROOMS, "tests", "bench", "docs")
    return [named(p) for p in tracked_files() if p.suffix == ".py" and named(p).split("/")[0] in rooms]


def texts() -> list[str]:
    return [named(path) for path in tracked_files() if path.suffix not in (".png", ".ico", ".mo")]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def too_long(source: str) -> list[str]:
    """Complain of a module or a function that is too long to be read at once."""
    complaints = []
    lines = source.count("\n")
    if lines > MODULE_LINES_MAX:
        complaints.append(f"the module has {lines} lines")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                complaints.append(f"{node.name} has {length} lines")
    return complaints


def broad_excepts(source: str) -> list[str]:
    """Complain of a handler that would swallow a bug; one that only passes it on is none."""
    complaints = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {kind.id for kind in caught if isinstance(kind, ast.Name)}
            broad = node.type is None or names & {"Exception", "BaseException"}
            if broad and not isinstance(node.body[-1], ast.Raise):
                complaints.append(f"line {node.lineno} catches everything")
    return complaints


def loose_ends(text: str) -> list[str]:
    return found(LOOSE_ENDS, text)


def machine_paths(text: str) -> list[str]:
    return found(MACHINE_PATHS, text)


def registries(text: str) -> list[str]:
    return found(REGISTRIES, text)


def found(pattern: re.Pattern[str], text: str) -> list[str]:
    return [
        f"line {number}: {hit.group()}"
        for number, line in enumerate(text.splitlines(), 1)
        if (hit := pattern.search(line))
    ]


def unreasoned(source: str) -> list[str]:
    """Complain of an exemption that gives no code, or no reason: beside it, or in the line above.

    The line above may be a comment, or an exemption of the same code that has its reason.
    """
    complaints, above = [], ""
    for number, line in enumerate(source.splitlines(), 1):
        exemption = EXEMPTION.search(line)
        code, reason = (exemption["code"] or "", exemption["reason"]) if exemption else ("", "")
        if exemption and not (code and (reason or above == code or above.startswith("#"))):
            complaints.append(f"line {number}: {exemption.group().strip()}")
        above = code or line.strip()
    return complaints


def vague(name: str) -> list[str]:
    """Complain of a module or folder whose name could hold anything."""
    return [part for part in name.removesuffix(".py").split("/") if part.strip("_") in VAGUE_NAMES]


def is_plugin(source: str) -> bool:
    """Say whether a module defines a plug-in: a value named for its family."""
    return re.search(r"^(PROBE|ACTION|CHANNEL)\b.* = ", source, re.MULTILINE) is not None


def without_test(plugins: list[str], tests: list[str]) -> list[str]:
    """Name the plug-ins that have no test module of their name in the same place under tests/."""
    known = {re.sub(r"(?:^|_)test$", "", test.removesuffix(".py").replace("/test_", "/")) for test in tests}
    return [plugin for plugin in plugins if f"tests/{plugin.removesuffix('.py')}" not in known]


def complaints(rule: Rule, names: list[str]) -> list[str]:
    return [f"{name}: {complaint}" for name in names for complaint in rule(read(name))]


def test_a_module_and_a_function_fit_a_readers_head() -> None:
    assert complaints(too_long, modules()) == []


def test_a_long_module_and_a_long_function_are_found() -> None:
    body = "    x = 1\n" * FUNCTION_LINES_MAX
    assert too_long(f"def f():\n{body}") == ["f has 61 lines"]
    assert too_long("x = 1\n" * 501) == ["the module has 501 lines"]
    assert too_long("x = 1\n") == []


def test_only_the_catch_alls_catch_everything() -> None:
    names = [name for name in modules(*ROOMS) if name not in CATCH_ALLS]
    assert complaints(broad_excepts, names) == []


@pytest.mark.parametrize("kind", ["", " Exception", " (OSError, Exception)", " BaseException as wrong"])
def test_a_handler_that_catches_everything_is_found(kind: str) -> None:
    assert broad_excepts(f"try:\n    pass\nexcept{kind}:\n    pass\n") == ["line 3 catches everything"]


def test_a_handler_that_cleans_up_and_raises_again_is_allowed() -> None:
    assert broad_excepts("try:\n    pass\nexcept BaseException:\n    x = 1\n    raise\n") == []
    assert broad_excepts("try:\n    pass\nexcept OSError:\n    pass\n") == []


def test_nothing_is_left_for_later() -> None:
    assert complaints(loose_ends, texts()) == []


def test_a_note_for_later_is_found() -> None:
    assert loose_ends("one\n# TO" + "DO: two\n") == ["line 2: TO" + "DO"]


def test_no_file_names_the_machine_it_was_written_on() -> None:
    assert complaints(machine_paths, texts()) == []


def test_a_machine_path_is_found() -> None:
    assert machine_paths("open('/wo" + "rk/main/x')") == ["line 1: /wo" + "rk/"]


def test_no_file_names_a_package_registry() -> None:
    assert complaints(registries, texts()) == []


def test_a_package_registry_is_found() -> None:
    assert registries("pip install -i https://py" + "pi.org/simple x") == ["line 1: py" + "pi.org"]


def test_the_catch_alls_still_catch_everything() -> None:
    assert [name for name in CATCH_ALLS if not broad_excepts(read(name))] == []


def test_each_exemption_from_a_gate_names_its_code_and_its_reason() -> None:
    assert complaints(unreasoned, modules()) == []


@pytest.mark.parametrize(
    "bad", ["# no" + "qa", "# no" + "qa: S603", "# type: " + "ignore", "# type: " + "ignore[attr-defined]"]
)
def test_an_exemption_without_a_reason_is_found(bad: str) -> None:
    assert unreasoned(f"x = 1  {bad}\n") == [f"line 1: {bad}"]


def test_an_exemption_with_its_reason_covers_the_next_line_too() -> None:
    first, second = "x = 1  # no" + "qa: SLF001  # the constructor\n", "y = 2  # no" + "qa: SLF001\n"
    assert unreasoned(first + second + second) == []
    assert unreasoned(second) == ["line 1: # no" + "qa: SLF001"]
    assert unreasoned("# This is the constructor.\n" + second) == []


def test_a_name_says_what_is_inside() -> None:
    assert [name for name in modules() if vague(name)] == []


def test_a_vague_name_is_found() -> None:
    assert vague("agent/utils.py") == ["utils"]
    assert vague("desk/helpers/x.py") == ["helpers"]
    assert vague("model/labels.py") == []


@pytest.mark.parametrize("family", PLUGINS)
def test_each_plugin_has_a_test_module_of_its_own(family: str) -> None:
    own = [
        n for n in modules(family.partition("/")[0]) if Path(n).is_relative_to(family) and is_plugin(read(n))
    ]
    assert own, f"{family} holds no plug-in, or this test does not know one when it sees it"
    assert without_test(own, modules("tests")) == []


def test_a_plugin_without_a_test_is_found() -> None:
    plugins = ["probes/cpu.py", "probes/tcp.py"]
    assert without_test(plugins, ["tests/probes/test_cpu.py"]) == ["probes/tcp.py"]


def test_each_public_package_says_what_it_is() -> None:
    silent = [
        name
        for name in modules(*ROOMS)
        if name.endswith("/__init__.py") and not ast.get_docstring(ast.parse(read(name)))
    ]
    assert silent == []


def test_a_package_without_words_is_found() -> None:
    assert not ast.get_docstring(ast.parse("from probes.host.cpu import PROBE\n"))
