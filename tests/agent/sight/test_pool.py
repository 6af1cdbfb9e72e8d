from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from agent.sight.pool import Done, Pool


class Bench:
    """A pool and an event that its wake-up sets."""

    def __init__(self, threads_max: int) -> None:
        self.woken = threading.Semaphore(0)
        self.pool = Pool(threads_max, self.woken.release)

    def next(self) -> Done:
        assert self.woken.acquire(timeout=5), "the pool woke nobody"
        (done,) = self.pool.finished()
        return done


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(threads_max=2)
    yield made
    made.pool.close()


def test_a_job_comes_back_with_what_it_returned(bench: Bench) -> None:
    assert bench.pool.submit("a", lambda: 42)
    assert bench.next() == Done("a", 42, None)


def test_an_error_comes_back_as_a_value(bench: Bench) -> None:
    def fail() -> object:
        raise ZeroDivisionError("no")

    bench.pool.submit("a", fail)
    done = bench.next()
    assert isinstance(done.error, ZeroDivisionError)


def test_an_idle_thread_is_used_again(bench: Bench) -> None:
    for number in range(20):
        assert bench.pool.submit(number, threading.get_ident)
        bench.next()
    assert bench.pool.threads == 1


def test_hanging_jobs_never_take_more_threads_than_allowed(bench: Bench) -> None:
    hang = threading.Event()
    assert bench.pool.submit("a", hang.wait)
    assert bench.pool.submit("b", hang.wait)
    assert not bench.pool.submit("c", hang.wait)
    hang.set()
    bench.woken.acquire(timeout=5)
    bench.woken.acquire(timeout=5)
    assert {done.key for done in bench.pool.finished()} == {"a", "b"}
    assert bench.pool.submit("c", lambda: 1)
    assert bench.next().key == "c"
