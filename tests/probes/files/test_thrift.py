from __future__ import annotations

from probes.files.thrift import SAVED_S_MAX, Thrift


def test_time_that_was_not_used_is_saved_up_to_a_limit() -> None:
    thrift = Thrift(0.05)
    thrift.begin(0, most_s=10)
    thrift.spend(SAVED_S_MAX)
    thrift.begin(10, most_s=10)
    assert round(thrift.left_s, 6) == 0.5
    thrift.begin(10_000, most_s=10)
    assert thrift.left_s == SAVED_S_MAX
    thrift.begin(20_000, most_s=0.1)
    assert thrift.left_s == 0.1


def test_a_clock_that_steps_back_gives_no_time() -> None:
    thrift = Thrift(0.05, left_s=0)
    thrift.begin(100, most_s=10)
    thrift.begin(50, most_s=10)
    assert thrift.left_s == 0


def test_all_is_read_while_it_can_be_afforded() -> None:
    thrift = Thrift(0.05, left_s=1)
    thrift.begin(0, most_s=10)
    assert thrift.skip_bytes(10_000_000, 1000) == 0
    thrift.spend(0.001, 1000)
    assert thrift.skip_bytes(900_000, 1000) == 0


def test_of_more_than_that_blocks_are_read_evenly() -> None:
    thrift = Thrift(0.05, left_s=1)
    thrift.begin(0, most_s=10)
    thrift.spend(0.001, 1000)
    assert thrift.skip_bytes(9_990_000, 1000) == 9 * 1000


def test_without_any_time_left_all_is_passed_over() -> None:
    thrift = Thrift(0.05, left_s=0)
    assert thrift.skip_bytes(12_345, 1000) == 12_345
