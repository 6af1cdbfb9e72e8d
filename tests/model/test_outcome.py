from __future__ import annotations

from model.outcome import Healing, Outcome, Remedy


def test_a_remedy_travels_in_annotations_and_back() -> None:
    remedy = Remedy(Outcome.FIXED, "restart-redis", "r1", "verified", True, 1, 2, 3, 4)
    assert Remedy.of({"summary": "x", **remedy.annotations()}) == remedy


def test_what_is_not_reached_is_left_out() -> None:
    assert Remedy(Healing.NONE).annotations() == {"beforehand_status": "none"}


def test_annotations_that_somebody_forged_count_as_absent() -> None:
    assert Remedy.of({}) is None
    assert Remedy.of({"beforehand_status": "splendid"}) is None
    read = Remedy.of({"beforehand_status": "fixed", "beforehand_healed_ms": "٣", "beforehand_acted_ms": "-1"})
    assert read == Remedy(Outcome.FIXED)
