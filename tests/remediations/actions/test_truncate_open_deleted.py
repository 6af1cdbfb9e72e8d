from __future__ import annotations

import pytest

from model.deed import (
    TruncateDeleted,
)
from model.misfit import Rejected
from model.step import Risk
from tests.remediations.actions.planning import planned, risk


def test_emptying_is_not_to_be_taken_back_and_names_its_program() -> None:
    text = "{path: /, exe: /usr/sbin/nginx}"
    assert planned("truncate_open_deleted", text) == [TruncateDeleted("/", 100 << 20, "/usr/sbin/nginx")]
    assert risk("truncate_open_deleted") is Risk.IRREVERSIBLE
    with pytest.raises(Rejected):
        planned("truncate_open_deleted", "{path: /}")
