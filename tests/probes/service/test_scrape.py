from __future__ import annotations

import gzip
import math
from dataclasses import replace
from typing import Any

import pytest

from model.decode import Raw, decode
from model.misfit import Rejected
from model.sample import Sample
from probes.net.address import Url
from probes.net.bytesize import ByteSize
from probes.service import scrape
from probes.service.relabel import Relabel
from probes.service.scrape import Options, Unscraped
from tests.probes.service.servers import cut, endless, garbage
from tests.probes.targets import (
    Behaviour,
    Connection,
    answering,
    drip,
    hang,
    listening,
    page,
    unused_port,
    values,
    within,
)

TEXT = b"""# TYPE jobs_total counter
jobs_total{queue="a"} 5
jobs_total{queue="b"} 7 1700000000000
up_since 3e5
"""
OPEN = b"# TYPE jobs counter\njobs_total 5\n# EOF\n"
OPENMETRICS = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"


def at(url: str, **more: Any) -> Options:
    return replace(Options(Url.parse(url)), **more)


def scraped(*answers: bytes, **more: Any) -> dict[str, float]:
    with answering(*answers) as target:
        return values(scrape.begin(at(target.url, **more))(within(10)))


def test_what_an_endpoint_exposes_is_taken_over() -> None:
    assert scraped(page(TEXT, "Content-Type: text/plain; version=0.0.4")) == {
        "scrape_samples_post_metric_relabeling": 3,
        "scrape_body_size_bytes": len(TEXT),
        'jobs_total{queue="a"}': 5,
        'jobs_total{queue="b"}': 7,
        "up_since": 3e5,
    }


def test_the_format_is_negotiated_and_the_text_may_be_packed() -> None:
    with answering(page(gzip.compress(OPEN), OPENMETRICS, "Content-Encoding: gzip")) as target:
        told = values(scrape.begin(at(target.url))(within(10)))
    assert told["jobs_total"] == 5
    assert told["scrape_body_size_bytes"] == len(OPEN)
    assert b"accept: application/openmetrics-text;version=1.0.0," in target.heard[0]
    assert b"accept-encoding: gzip" in target.heard[0]


def test_openmetrics_without_its_end_is_refused_whole() -> None:
    with pytest.raises(Unscraped, match="# EOF"):
        scraped(page(OPEN.removesuffix(b"# EOF\n"), OPENMETRICS))


def test_a_value_that_is_no_number_is_not_missing() -> None:
    with answering(page(b"a NaN\nb +Inf\n")) as target:
        seen = [one for one in scrape.begin(at(target.url))(within(10)) if isinstance(one, Sample)]
    told = {one.labels.name: one.value for one in seen}
    assert math.isnan(told["a"])
    assert told["b"] == math.inf


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"a 1\n# TYPE b gauge\n# TYPE b gauge\nb 1\n", "line 3: there is a second TYPE line for b"),
        (b"<!DOCTYPE html>\n<html></html>\n", "line 1: "),
        (b"a 1\na 2\n", "line 2: the series a stands twice"),
        (b"a 1", "the text was cut"),
        (b'a{b="' + b"x" * 3000 + b'"} 1\n', "longer than"),
        (b"a 1\nb \xff\n", "not UTF-8"),
        (b"".join(b"a%d 1\n" % at for at in range(9001)), "more than 9000 samples"),
    ],
)
def test_a_text_that_breaks_the_format_is_refused_whole(text: bytes, sentence: str) -> None:
    with pytest.raises(Unscraped) as refused:
        scraped(page(text))
    assert sentence in str(refused.value)


def test_a_text_of_100_mb_is_left_at_its_limit() -> None:
    sent: list[int] = []

    def pour(connection: Connection) -> None:
        connection.request()
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
        line = b"a_metric_of_some_length 1\n" * 2048
        while not connection.stopped.is_set() and sum(sent) < 100 << 20:
            connection.socket.sendall(line)
            sent.append(len(line))

    with listening(pour) as port, pytest.raises(Unscraped, match="the body is longer than"):
        list(scrape.begin(at(f"http://127.0.0.1:{port}/", body_size_limit=ByteSize(1 << 20)))(within(20)))
    assert sum(sent) < 20 << 20


def test_a_small_text_that_unpacks_to_gigabytes_is_left_at_its_limit() -> None:
    bomb = gzip.compress(b"a 1\n" * 8_000_000)
    with pytest.raises(Unscraped, match="the body is longer than"):
        scraped(page(bomb, "Content-Encoding: gzip"))


def test_limits_are_those_that_were_written() -> None:
    with pytest.raises(Unscraped, match="more than 2 samples"):
        scraped(page(TEXT), sample_limit=2)
    with pytest.raises(Unscraped, match="more than 1 labels"):
        scraped(page(b'a{b="1",c="2"} 1\n'), label_limit=1)
    with pytest.raises(Unscraped, match="longer than 4 bytes"):
        scraped(page(b'a{b="12345"} 1\n'), label_value_length_limit=4)


def test_series_are_chosen_and_changed_before_they_are_stored() -> None:
    changes = (
        Relabel(source_labels=("queue",), regex=Raw("b"), action="drop"),
        Relabel(target_label="site", replacement=Raw("north")),
    )
    assert scraped(page(TEXT), metric_relabel_configs=changes) == {
        "scrape_samples_post_metric_relabeling": 2,
        "scrape_body_size_bytes": len(TEXT),
        'jobs_total{queue="a", site="north"}': 5,
        'up_since{site="north"}': 3e5,
    }


def test_of_two_series_that_become_one_the_first_stays() -> None:
    changes = (Relabel(regex=Raw("queue"), action="labeldrop"),)
    told = scraped(page(TEXT), metric_relabel_configs=changes)
    assert (told["jobs_total"], told["scrape_samples_post_metric_relabeling"]) == (5, 2)


def test_a_series_without_a_name_ends_the_scrape() -> None:
    changes = (Relabel(target_label="__name__", replacement=Raw("")),)
    with pytest.raises(Unscraped, match="without a name"):
        scraped(page(TEXT), metric_relabel_configs=changes)


def test_what_an_endpoint_says_of_its_own_target_is_kept_beside_ours() -> None:
    told = scraped(page(b'a{job="theirs",instance="there",x="1"} 1\n'))
    assert 'a{exported_instance="there", exported_job="theirs", x="1"}' in told


def test_later_scrapes_see_what_changed() -> None:
    first, second = b'a{x="1"} 1\nb 1\n', b'a{x="1"} 2\nc 3\n'
    with answering(page(first), page(b"broken\n"), page(second)) as target:
        look = scrape.begin(at(target.url))
        assert values(look(within(10)))['a{x="1"}'] == 1
        with pytest.raises(Unscraped):
            list(look(within(10)))
        told = values(look(within(10)))
    assert (told['a{x="1"}'], told["c"], "b" in told) == (2, 3, False)


def test_an_endpoint_that_cannot_be_had_is_unknown() -> None:
    with pytest.raises(Unscraped, match="the connection failed"):
        list(scrape.begin(at(f"http://127.0.0.1:{unused_port()}/"))(within(5)))
    with pytest.raises(Unscraped, match="the status is 503"):
        scraped(page(TEXT, status="503 Service Unavailable"))


@pytest.mark.parametrize("behaviour", [garbage, endless, cut, drip, hang])
def test_an_endpoint_that_answers_oddly_is_unknown(behaviour: Behaviour) -> None:
    with listening(behaviour) as port, pytest.raises(Unscraped):
        list(scrape.begin(at(f"http://127.0.0.1:{port}/"))(within(0.5)))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("target: 'http://h/', honor_labels: true", "the target's own labels always stand here"),
        ("target: 'http://h/', sample_limit: 9001", "9001 is no limit"),
        ("target: 'http://h/', body_size_limit: 17MB", "17825792 is no limit"),
        ("target: 'http://h/', body_size_limit: 0", "0 is no limit"),
        ("target: 'http://h/', headers: {'a b': x}", "'a b' is not the name of a header"),
        ("target: 'http://ada:secret@h/'", "carries a user name or password"),
    ],
)
def test_options_that_cannot_work_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(f"{{{text}}}".encode(), "f", Options)
    assert sentence in str(refused.value)
