from __future__ import annotations

import pytest

from model.deed import (
    ReleaseDeleted,
)
from model.misfit import Rejected
from model.plugin import Unplannable
from tests.remediations.actions.planning import BARE, planned


def test_the_holder_of_deleted_files_is_restarted_by_whoever_runs_it() -> None:
    text = "path: /var\nservice: nginx\n"
    unit = ("/usr/bin/systemctl", "restart", "nginx.service")
    assert planned("release_open_deleted", text) == [
        ReleaseDeleted("/var", 100 << 20, unit, unit="nginx.service")
    ]
    with pytest.raises(Unplannable, match="declares no argv"):
        planned("release_open_deleted", text, BARE)
    declared = text + "argv: [nginx, -s, reopen]\nexe: /usr/sbin/nginx\nmin_size: 1G\n"
    assert planned("release_open_deleted", declared, BARE) == [
        ReleaseDeleted("/var", 1 << 30, ("nginx", "-s", "reopen"), exe="/usr/sbin/nginx")
    ]
    with pytest.raises(Rejected, match="argv and exe go together"):
        planned("release_open_deleted", text + "exe: /usr/sbin/nginx")
