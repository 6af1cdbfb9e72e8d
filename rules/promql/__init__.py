"""PromQL over the sample store: an expression is read once, then evaluated as often as its rule asks."""

from rules.promql.dialect import Compat
from rules.promql.limits import Limits, QueryError
from rules.promql.query import Point, Query, compile_query

__all__ = ["Compat", "Limits", "Point", "Query", "QueryError", "compile_query"]
