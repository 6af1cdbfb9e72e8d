from __future__ import annotations

import pytest

from model.deed import (
    PurgeKernels,
)
from model.misfit import Rejected
from model.step import Risk
from tests.remediations.actions.planning import planned, risk


def test_old_kernels_leave_two_at_least() -> None:
    assert planned("old_kernels", "{}") == [PurgeKernels(2)]
    assert risk("old_kernels") is Risk.IRREVERSIBLE
    with pytest.raises(Rejected, match="keep 2 to 10"):
        planned("old_kernels", "{keep: 1}")
