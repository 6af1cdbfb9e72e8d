"""The same modules and targets given to blackbox_exporter and to us: every series that both have agrees."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

import pytest
from prometheus_client.parser import text_string_to_metric_families

from model.plugin import Deadline
from model.sample import Sample
from probes.net.modules import Module, load_modules
from tests.probes.net import servers
from tests.probes.net.blackbox_modules import CASES, MODULES, Case
from tests.probes.targets import Behaviour, Certificate, Connection, drip, hang, listening, unused_port

Series = dict[str, float]

SENT = b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"


def answer(connection: Connection, data: bytes) -> None:
    connection.request()
    connection.socket.sendall(data)


def greet(connection: Connection) -> None:
    connection.socket.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    connection.socket.settimeout(1)
    connection.socket.recv(1000)


def forward(connection: Connection) -> None:
    """Answer as a proxy for http does, in the target's place."""
    asked = connection.request()
    assert asked.startswith(b"GET http://127.0.0.1:")
    connection.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nVia: x\r\n\r\nhi\n")


def reset(connection: Connection) -> None:
    connection.request()
    connection.reset()


def ends(connection: Connection) -> None:
    answer(connection, SENT + b"too little")


@dataclass
class Scene:
    """Everything that is asked, the real exporter, and our own modules from the same file."""

    places: dict[str, int]
    exporter: int
    modules: dict[str, Module]


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, good: Certificate, expired: Certificate, of_another: Certificate
) -> Iterator[Scene]:
    with ExitStack() as up:
        web = up.enter_context(servers.nginx(tmp_path_factory.mktemp("web"), good, expired, of_another))
        places = {"plain": web.plain, "good": web.good, "expired": web.expired, "other": web.other}
        behaviours: dict[str, Behaviour] = {
            "silent": hang,
            "dripping": partial(drip, data=SENT + b"x" * 999),
            "cut": ends,
            "chunked": partial(answer, data=CHUNKED),
            "ssh": greet,
            "resets": reset,
            "proxy": forward,
        }
        for name, behaviour in behaviours.items():
            places[name] = up.enter_context(listening(behaviour))
        places["nobody"] = unused_port()
        places["mail"] = up.enter_context(servers.smtp(good))
        places["dns"] = up.enter_context(servers.dnsmasq(tmp_path_factory.mktemp("dns")))
        places["grpc"] = up.enter_context(servers.grpc())
        places["grpc_tls"] = up.enter_context(servers.grpc(good))
        text = MODULES.format(good=good.path, expired=expired.path, other=of_another.path, **_only(places))
        file = tmp_path_factory.mktemp("exporter") / "blackbox.yml"
        file.write_text(text)
        exporter = unused_port()
        argv = [
            "prometheus-blackbox-exporter",
            f"--config.file={file}",
            f"--web.listen-address=127.0.0.1:{exporter}",
        ]
        ready = partial(servers.takes_connections, exporter)
        up.enter_context(servers.program(argv, ready, file.with_suffix(".log")))
        yield Scene(places, exporter, load_modules(file.read_bytes(), str(file)))


def _only(places: dict[str, int]) -> dict[str, int]:
    return {"proxy": places["proxy"]}


def theirs(scene: Scene, module: str, target: str) -> Series:
    query = urlencode({"module": module, "target": target})
    with urllib.request.urlopen(f"http://127.0.0.1:{scene.exporter}/probe?{query}", timeout=20) as answer:
        text = answer.read().decode()
    found: Series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            pairs = ((name, value) for name, value in sample.labels.items() if value)
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(pairs))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def ours(scene: Scene, module: str, target: str) -> Series:
    known = scene.modules[module]
    assert known.timeout is not None
    deadline = Deadline(time.monotonic() + known.timeout.s, time.monotonic)
    found: Series = {}
    for one in known.probe.look(known.options(target))(deadline):
        if isinstance(one, Sample):
            pairs = [(name, value) for name, value in one.labels.items() if name != "__name__"]
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(pairs))
            found[_known(f"{one.labels.name}{{{labels}}}")] = one.value
    return found


def timed(series: str) -> bool:
    return "duration" in series or "lookup_time" in series


# What differs everywhere, with its reason.
ELSEWHERE = {
    "probe_timeout_seconds{}": "it is told by /probe, which is what has a time-out of its own",
}


# What the version beside us does not tell everywhere, with the reason why we do.
MORE = {
    "probe_tls_cipher_info": "later versions tell it",
    "probe_failed_due_to_bytes": "later versions tell it",
    "probe_ssl_last_chain_expiry_timestamp_seconds": "later versions tell it after STARTTLS as well",
    "probe_http_duration_seconds": "where no address is found, we tell 0 for the phases after that",
}


def _known(series: str) -> str:
    """Return a series without what the version beside us does not tell yet."""
    return re.sub(r',?serialnumber="[0-9a-f]*"', "", series).replace("{,", "{")


def compared(theirs: Series, ours: Series) -> dict[str, tuple[float | None, float | None]]:
    """Return what they have and we have not, or have otherwise."""
    return {
        series: (value, ours.get(series))
        for series, value in theirs.items()
        if series not in ELSEWHERE and (series not in ours or (not timed(series) and ours[series] != value))
    }


@dataclass
class Result:
    """What came of asking both about one case."""

    case: Case
    differences: dict[str, tuple[float | None, float | None]]
    shared: int
    only_ours: set[str]


@pytest.mark.needs("nginx", "openssl", "dnsmasq", "prometheus-blackbox-exporter")
def test_every_series_of_blackbox_exporter_is_told_by_us_with_the_same_value(scene: Scene) -> None:
    def ask(case: Case) -> Result:
        target = case.target.format(**scene.places)
        their, our = theirs(scene, case.module, target), ours(scene, case.module, target)
        more = {series.partition("{")[0] for series in our.keys() - their.keys()}
        return Result(case, compared(their, our), len(their.keys() & our.keys()), more)

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(ask, CASES))
    wrong = {
        f"{one.case}: {series}": values
        for one in results
        for series, values in one.differences.items()
        if series not in one.case.differs
    }
    unused = {f"{one.case}: {s}" for one in results for s in one.case.differs if s not in one.differences}
    shared = sum(one.shared for one in results)
    print(f"{len(CASES)} targets, {shared} series of both, {len(wrong)} missing or different")
    assert wrong == {}
    assert unused == set()
    assert set().union(*(one.only_ours for one in results)) <= MORE.keys()
