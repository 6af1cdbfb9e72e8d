"""Probes of agent.yaml that are told by modules of blackbox_exporter's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.config import Installation, load
from model.duration import seconds
from model.misfit import Rejected

FILE = """
modules:
  shop: {prober: http, timeout: 3s, http: {method: POST, valid_status_codes: [200, 201], headers: {A: b}}}
  slow: {prober: http, timeout: 60s}
  mail: {prober: tcp, tcp: {query_response: [{expect: '^220'}], tls: true}}
"""


def loaded(folder: Path, probes: str, more: str = "modules: [blackbox.yml]") -> Installation:
    (folder / "blackbox.yml").write_text(FILE)
    (folder / "agent.yaml").write_text(f"rules: []\n{more}\nprobes:\n{probes}\n")
    return load(folder / "agent.yaml")


def mistakes(folder: Path, probes: str, more: str = "modules: [blackbox.yml]") -> list[str]:
    with pytest.raises(Rejected) as refused:
        loaded(folder, probes, more)
    return [str(problem).replace(f"{folder}/", "") for problem in refused.value.problems]


def test_a_module_says_what_the_probe_does_not_say_itself(tmp_path: Path) -> None:
    probes = """
- http: {target: 'http://a/', module: shop, valid_status_codes: [204]}
- tcp: {target: 'b:25', module: mail}
"""
    shop, mail = loaded(tmp_path, probes).config.probes
    options: Any = shop.options
    assert (options.method, options.valid_status_codes) == ("POST", (204,))
    assert (options.preferred_ip_protocol, options.headers["A"].text) == ("ip6", "b")
    assert shop.timeout == seconds(3)
    assert mail.options.tls
    assert mail.timeout == seconds(5)


def test_a_time_out_of_ones_own_holds_and_a_slot_bounds_the_modules(tmp_path: Path) -> None:
    probes = """
- http: {target: 'http://a/', module: shop}
  timeout: 1s
- http: {target: 'http://b/', module: slow}
  every: 20s
"""
    own, bounded = loaded(tmp_path, probes).config.probes
    assert (own.timeout, bounded.timeout) == (seconds(1), seconds(20))


def test_the_modules_are_kept_for_those_who_ask(tmp_path: Path) -> None:
    assert loaded(tmp_path, "- load: {}").modules.keys() == {"shop", "slow", "mail"}
    assert "http_2xx" in loaded(tmp_path, "- load: {}", "").modules


@pytest.mark.parametrize(
    ("probes", "sentence"),
    [
        ("- http: {target: 'http://a/', module: shp}", "there is no module 'shp'; did you mean 'shop'?"),
        ("- http: {target: 'http://a/', module: mail}", "the module 'mail' is one of tcp; write - tcp:"),
        (
            "- http: {target: 'http://a/', module: shop, metod: GET}",
            "unknown key 'metod'; did you mean 'method'?",
        ),
        ("- load: {module: shop}", "unknown key 'module'"),
    ],
)
def test_a_mistake_is_told_at_its_place(tmp_path: Path, probes: str, sentence: str) -> None:
    (one,) = mistakes(tmp_path, probes)
    assert one.startswith("agent.yaml:4:")
    assert sentence in one


def test_a_broken_module_file_is_told_with_the_rest(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("modules: {a: {prober: x}}")
    (tmp_path / "same.yml").write_text("modules: {shop: {prober: http}}")
    found = mistakes(tmp_path, "- lod: {}", "modules: [blackbox.yml, bad.yml, same.yml, none.yml]")
    assert len(found) == 4
    assert any("bad.yml:1:" in one for one in found)
    assert any("the module 'shop' is defined in two files" in one for one in found)
    assert any("'none.yml' names no file" in one for one in found)
