"""The functions of templates that ask the samples, and those that know where the agent is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote_plus, urlsplit

from rules.template.argument import sample_of, samples_of, text_of
from rules.template.builtins import MANY
from rules.template.value import Arguments, Found, Function, Value, View, WrongValue


def query(view: View, expression: Value) -> tuple[Found, ...]:
    """Return the samples of a PromQL expression at the moment of the evaluation."""
    return view.setting.query(text_of(expression))


def first(samples: Value) -> Found:
    """Return the first sample of a result."""
    found = samples_of(samples)
    if not found:
        raise WrongValue("first() called on vector with no elements")
    return found[0]


def label(name: Value, sample: Value) -> str:
    """Return one label of a sample; an absent one reads as empty."""
    return sample_of(sample).labels.get(text_of(name), "")


def value(sample: Value) -> float:
    """Return the value of a sample."""
    return sample_of(sample).value


def text_value(sample: Value) -> str:
    """Return the label ``__value__`` of a sample."""
    return sample_of(sample).labels.get("__value__", "")


def sorted_by(name: Value, samples: Value) -> tuple[Found, ...]:
    """Return the samples in the order of one label."""
    by = text_of(name)
    return tuple(sorted(samples_of(samples), key=lambda found: found.labels.get(by, "").encode()))


def arguments(*values: Value) -> Arguments:
    """Return several values as one, to hand them to a template."""
    return Arguments(values)


def external_url(view: View) -> str:
    """Return the agent's address as others know it."""
    return view.setting.external_url


def path_prefix(view: View) -> str:
    """Return the path of the agent's address."""
    return urlsplit(view.setting.external_url).path


def graph_link(expression: Value) -> str:
    """Return where Prometheus shows an expression as a graph, relative to its address."""
    return f"/graph?g0.expr={quote_plus(text_of(expression))}&g0.tab=0"


def table_link(expression: Value) -> str:
    """Return where Prometheus shows an expression as a table, relative to its address."""
    return f"/graph?g0.expr={quote_plus(text_of(expression))}&g0.tab=1"


QUERYING: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "query": Function(query, viewing=True),
        "first": Function(first),
        "label": Function(label, 2, 2),
        "value": Function(value),
        "strvalue": Function(text_value),
        "sortByLabel": Function(sorted_by, 2, 2),
        "args": Function(arguments, 0, MANY),
        "externalURL": Function(external_url, 0, 0, viewing=True),
        "pathPrefix": Function(path_prefix, 0, 0, viewing=True),
        "graphLink": Function(graph_link),
        "tableLink": Function(table_link),
    }
)
