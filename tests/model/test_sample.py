from __future__ import annotations

import pytest

from model.labels import Labels
from model.sample import LABEL_BYTES_MAX, Metric

FREE = Metric("disk_free_bytes", "Free bytes.", labels=("device",))


def test_a_metric_makes_samples_of_its_own_name_and_labels() -> None:
    sample = FREE(3, device="sda")
    assert sample.labels is Labels.of(__name__="disk_free_bytes", device="sda")
    assert sample.value == 3.0


def test_a_label_that_was_not_declared_cannot_pass() -> None:
    with pytest.raises(AssertionError, match="disk_free_bytes has the labels"):
        FREE(3, devise="sda")


def test_a_label_value_is_cut_at_its_limit() -> None:
    assert len(FREE(3, device="x" * 10_000).labels["device"]) == LABEL_BYTES_MAX


def test_a_label_is_text_that_every_reader_takes_and_is_bounded_in_bytes() -> None:
    strange = FREE(3, device="/mnt/\udcff\udc80").labels["device"]
    assert strange == "/mnt/??"
    long = FREE(3, device="\u20ac" * 10_000).labels["device"]
    assert LABEL_BYTES_MAX - 3 < len(long.encode()) <= LABEL_BYTES_MAX
