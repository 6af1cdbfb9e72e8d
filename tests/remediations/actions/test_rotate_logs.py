from __future__ import annotations

import pytest

from model.misfit import Rejected
from model.step import Exec
from tests.remediations.actions.planning import planned


def test_logs_are_rotated_only_after_a_dry_run() -> None:
    debug, rotate = planned("rotate_logs", "{config: /etc/logrotate.d/nginx}")
    assert isinstance(debug, Exec)
    assert isinstance(rotate, Exec)
    assert debug.argv == ("logrotate", "--debug", "/etc/logrotate.d/nginx")
    assert rotate.argv == ("logrotate", "--force", "/etc/logrotate.d/nginx")
    with pytest.raises(Rejected):
        planned("rotate_logs", "{config: /etc/logrotate.d/../shadow}")
