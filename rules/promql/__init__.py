"""PromQL over the sample store: an expression is read once, then evaluated as often as its rule asks."""

from rules.promql.dialect import Compat
from rules.promql.moment import QueryError
from rules.promql.query import Point, Query, compile_query

__all__ = ["Compat", "Point", "Query", "QueryError", "compile_query"]
