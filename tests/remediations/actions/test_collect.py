from __future__ import annotations

import pytest

from model.decode import decode
from model.misfit import Rejected
from model.step import EVIDENCE_BYTES_MAX, Exec, Gather, Host, vital
from remediations.actions.collect import ACTION, Options


def test_each_preset_becomes_one_step_that_cannot_end_the_run() -> None:
    options = decode(b"[top, journal, df]", "x.yml", Options)
    steps = list(ACTION.plan(options, Host(has_systemd=True)))
    assert [str(step) for step in steps][::2] == ["gather top", "gather df"]
    assert isinstance(steps[0], Gather)
    assert isinstance(steps[1], Exec)
    assert steps[1].output_bytes_max == EVIDENCE_BYTES_MAX
    assert not any(vital(step) for step in steps)
    assert ACTION.touches(options) == frozenset()


@pytest.mark.parametrize("text", ["[]", "top", "[top, top]", "[tpo]", "{presets: [top]}"])
def test_a_list_that_names_nothing_or_something_twice_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        decode(text.encode(), "x.yml", Options)
