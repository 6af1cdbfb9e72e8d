from __future__ import annotations

import pytest

from model.deed import (
    Mount,
)
from model.misfit import Rejected
from tests.remediations.actions.planning import planned, undone


def test_a_mount_is_planned_with_its_undo() -> None:
    assert planned("mount", "{path: /srv, state: mounted}") == [Mount("/srv", "mounted")]
    assert undone("mount", "{path: /srv, state: mounted}") == [Mount("/srv", "unmounted", back=True)]
    text = "{path: /srv, state: remounted, options: rw}"
    assert planned("mount", text) == [Mount("/srv", "remounted", "rw")]
    assert undone("mount", text) == [Mount("/srv", "remounted", "ro", back=True)]


@pytest.mark.parametrize(
    "text",
    ["{path: /srv, state: remounted}", "{path: /srv, state: mounted, options: rw}",
     "{path: srv, state: mounted}", "{path: /, state: unmounted}",
     "{path: /srv, state: remounted, options: exec}"],
)  # fmt: skip
def test_a_mount_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        planned("mount", text)
