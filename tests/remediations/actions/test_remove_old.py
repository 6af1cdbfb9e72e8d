from __future__ import annotations

import pytest

from model.deed import (
    FreeSpace,
    RemoveOld,
    RestoreHeld,
)
from model.misfit import Rejected
from model.step import Risk
from remediations.actions import remove_old
from tests.remediations.actions.planning import planned, undone


def test_old_files_of_any_declared_folder_need_approval_and_are_held_for_an_undo() -> None:
    text = "{roots: [/srv/shop/uploads, /opt/builds], patterns: ['*.tmp'], age: 2d}"
    assert planned("remove_old", text) == [
        FreeSpace(root, 1.0, (RemoveOld((root,), ("*.tmp",), (), 172_800),), 3600)
        for root in ("/srv/shop/uploads", "/opt/builds")
    ]
    assert undone("remove_old", text) == [RestoreHeld()]
    assert undone("remove_old", text.replace("}", ", hold: 0s}")) == []
    assert remove_old.ACTION.risk is Risk.IRREVERSIBLE
    with pytest.raises(Rejected, match="too long to hold"):
        planned("remove_old", text.replace("}", ", hold: 2d}"))
