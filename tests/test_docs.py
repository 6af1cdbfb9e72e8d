"""The docs say what the code does: blocks load, links resolve, and nothing that people write is left out."""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from agent import commands as command_line
from agent import config as agent_config
from agent.checking import lint
from agent.config import AgentConfig
from desk.catalogue.file import CatalogueFile, joined
from desk.config import Config
from desk.maintenance.file import MaintenanceFile
from desk.staff.staff import StaffFile
from desk.staff.staff import joined as joined_staff
from docs import generate
from model.decode import decode
from model.misfit import Rejected
from probes import PROBES
from remediations.actions import ACTIONS
from remediations.trials.file import Trials, load_trials
from remediations.writing import task
from remediations.writing.playbook import Playbook, load_playbook
from rules.file import compiled_for, load_rules
from rules.template.functions import FUNCTIONS
from rules.unit_test.file import Suite, load_suite
from rules.unit_test.run import play
from tests.test_tidy import ROOT, modules, named, read, tracked_files

PAGES: Final = [named(path) for path in tracked_files() if path.suffix == ".md"]

LOADERS: Final[dict[str, Callable[[bytes, str], object]]] = {
    "agent": lambda data, file: decode(data, file, AgentConfig),
    "rules": load_rules,
    "tests": load_suite,
    "playbook": load_playbook,
    "playbook_tests": load_trials,
    "desk": lambda data, file: decode(data, file, Config),
    "catalogue": lambda data, file: joined([decode(data, file, CatalogueFile)]),
    "maintenances": lambda data, file: decode(data, file, MaintenanceFile),
    "staff": lambda data, file: joined_staff(decode(data, file, StaffFile).staff),
}

# Where people read of the keys that they write into a file.
KEYS: Final[dict[str, Any]] = {
    "docs/reference/agent.md": AgentConfig,
    "docs/reference/playbooks.md": Playbook,
    "docs/reference/rule-tests.md": Suite,
    "docs/reference/playbook-tests.md": Trials,
    "docs/reference/desk.md": Config,
    "docs/reference/catalogue.md": CatalogueFile,
    "docs/reference/staff.md": StaffFile,
}

_FENCE: Final = re.compile(r"^```(\w*) ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Yield the word after yaml, and the text, of each YAML block of a page."""
    return ((word, text) for language, word, text in _FENCE.findall(page) if language in ("yaml", "yml"))


def anchors(page: str) -> set[str]:
    """Name the headings of a page as a link names them."""
    prose = _FENCE.sub("", page)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def leads_somewhere(link: str, page: str, place: Path) -> bool:
    path, _, anchor = link.partition("#")
    target = place / path
    if path and not target.exists():
        return False
    return not anchor or anchor in anchors(target.read_text(encoding="utf-8") if path else page)


def dead_links(page: str, place: Path) -> list[str]:
    """Name the links of a page that lead nowhere in this tree."""
    links = [link for link in _LINK.findall(_FENCE.sub("", page)) if not re.match(r"[a-z]+:", link)]
    return [link for link in links if not leads_somewhere(link, page, place)]


def untold(words: set[str], page: str) -> set[str]:
    """Name the words that stand nowhere on a page as code: neither in backticks nor as a key in a block."""
    code = set(re.findall(r"`([^`\s]+)`", page)) | set(
        re.findall(r"(?<![\w.])(\w+):(?=\s|$)", page, re.MULTILINE)
    )
    return words - {word.rstrip(":") for word in code}


def keys_of(kind: Any) -> set[str]:
    return {key for part in generate.records(kind, {}) for key, _, _ in generate.fields(part)}


def commands() -> dict[str, argparse.ArgumentParser]:
    chosen = next(a for a in command_line._parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(chosen.choices)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return {word for action in parser._actions for word in action.option_strings if word.startswith("--")} - {
        "--help"
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_yaml_block_is_read_by_what_reads_such_files(page: str) -> None:
    for word, text in blocks(read(page)):
        assert word in LOADERS, f"say after ```yaml what the block is: {', '.join(LOADERS)}\n{text}"
        LOADERS[word](text.encode(), page)


def test_a_yaml_block_with_a_mistake_is_found() -> None:
    page = "Text.\n\n```yaml agent\nprobs:\n- cpu: {}\n```\n"
    ((word, text),) = blocks(page)
    with pytest.raises(Rejected, match="did you mean 'probes'"):
        LOADERS[word](text.encode(), "page")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    assert dead_links(read(page), (ROOT / page).parent) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "b.md").write_text("# The `b` page\n")
    page = "# A\n[1](#a) [2](#c) [3](b.md#the-b-page) [4](b.md#no) [5](c.md) [6](https://example.com/x)"
    assert dead_links(page, tmp_path) == ["#c", "b.md#no", "c.md"]


@pytest.mark.parametrize("page", KEYS)
def test_every_key_that_people_write_is_explained(page: str) -> None:
    assert untold(keys_of(KEYS[page]), read(page)) == set()


def test_every_key_that_probes_and_steps_share_is_explained() -> None:
    assert untold(set(agent_config._COMMON), read("docs/reference/agent.md")) == set()
    terms = {field.name for field in dataclasses.fields(task.Terms)}
    assert untold({*terms, "loop", "block", "rescue", "always"}, read("docs/reference/playbooks.md")) == set()


def test_an_unexplained_key_is_found() -> None:
    assert untold({"every", "timeout", "name"}, "Say `every:` and\n  timeout: 5s\n") == {"name"}


def test_every_command_and_each_of_its_options_is_explained() -> None:
    page = read("docs/reference/commands.md")
    for name, parser in commands().items():
        part = re.search(rf"^## beforehand {name}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        assert part, f"docs/reference/commands.md lacks: ## beforehand {name}"
        assert {word for word in options_of(parser) if word not in part.group(1)} == set(), name


def routes() -> dict[str, set[str]]:
    """Name the paths that agent and desk answer, by the page that must speak of them."""
    shapes = (("api", "agent", r'^\s*"(/[^"]*)": Route\b'), ("desk", "desk", r'\bRoute\("([^"]+)"'))
    return {
        f"docs/reference/{page}.md": {
            path for n in modules(room) for path in re.findall(shape, read(n), re.MULTILINE)
        }
        for page, room, shape in shapes
    }


def test_every_path_that_is_answered_is_explained() -> None:
    for page, paths in routes().items():
        assert len(paths) > 5, f"the paths that {page} must explain were not found"
        assert untold(paths, read(page)) == set()


def test_the_page_of_the_agents_api_lists_what_is_answered_and_nothing_else() -> None:
    page = "docs/reference/api.md"
    assert set(re.findall(r"^\| `(/[^`]+)`", read(page), re.MULTILINE)) == routes()[page]


@pytest.mark.parametrize("page", generate.pages())
def test_a_page_that_is_read_off_the_code_is_up_to_date(page: str) -> None:
    assert generate.pages()[page] == read(f"docs/reference/{page}"), "run: .venv/bin/python -m docs.generate"


def test_the_rule_test_of_the_docs_passes_with_the_rules_of_the_docs() -> None:
    ((_, rules),) = [pair for pair in blocks(read("docs/reference/rules.md")) if pair[0] == "rules"][:1]
    ((_, tests),) = blocks(read("docs/reference/rule-tests.md"))
    suite = load_suite(tests.encode(), "t.yml")
    file = compiled_for(load_rules(rules.encode(), "r.yml"), suite.step_ms)
    assert suite.tests
    assert [play(case, suite, [file]).failures for case in suite.tests] == [()]


def test_every_function_of_templates_and_every_lint_is_listed() -> None:
    assert untold({*FUNCTIONS, "and", "or"}, read("docs/reference/templates.md")) == set()
    assert untold(set(lint.LINTS), read("docs/reference/rule-tests.md")) == set()


def test_every_probe_every_metric_and_every_action_is_listed() -> None:
    assert (
        untold({metric.name for probe in PROBES for metric in probe.emits}, read("docs/reference/metrics.md"))
        == set()
    )
    assert {probe.name for probe in PROBES} <= anchors(read("docs/reference/probes.md"))
    assert {action.name for action in ACTIONS} <= anchors(read("docs/reference/actions.md"))


@pytest.mark.parametrize("page", PAGES)
def test_every_word_of_make_in_the_docs_is_one_that_make_knows(page: str) -> None:
    known = set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^ {4}|`)make (\w+)", read(page), re.MULTILINE)) <= known
