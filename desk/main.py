"""``beforehand desk``: reads what is written, locks its state, serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import uvicorn
from starlette.types import ASGIApp

from desk.app import Desk
from desk.backing import Unready
from desk.catalogue import Catalogue
from desk.catalogue_file import read_catalogue
from desk.clock import monotonic_s, now_ms
from desk.config import Config, approval_key, read_config
from desk.maintenance_file import read_works
from desk.store import TooNew
from model import grant
from model.address import Listen
from model.misfit import Rejected

EX_DATAERR: Final = 65
EX_UNAVAILABLE: Final = 69
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78

BACKLOG: Final = 512
GRACE_S: Final = 3
STUCK_MS: Final = 60_000


def main(argv: Sequence[str]) -> int:
    """Run the desk; return 0 after a clean stop, 78 where what is written is wrong, 75 where another runs."""
    parser = argparse.ArgumentParser("beforehand desk", description="Serve the desk.")
    parser.add_argument("--config", required=True, type=Path, help="the file desk.yaml")
    parser.add_argument("--state", type=Path, help="the directory that keeps the desk's state")
    parser.add_argument("--host-key", metavar="HOST", help="print the approval key of one host, and end")
    options = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        config, catalogue = read(options.config)
        if options.host_key:
            return _say_key(config, options.host_key)
    except Rejected as wrong:
        _complain(str(wrong))
        return EX_CONFIG
    if options.state is None:
        parser.error("--state is needed")
    return _served(config, catalogue, options.state)


def _served(config: Config, catalogue: Catalogue, state: Path) -> int:
    """Serve until told to stop; return the exit code."""
    try:
        with _locked(state), _listening(config) as sockets:
            return _run(config, catalogue, state, sockets)
    except BlockingIOError:
        _complain(f"another desk works in {state}; stop it, or name another directory")
        return EX_TEMPFAIL
    except TooNew as wrong:
        _complain(f"{wrong}; run the version that wrote it, or a later one")
        return EX_DATAERR
    except Rejected as wrong:
        _complain(str(wrong))
        return EX_CONFIG
    except (OSError, Unready) as wrong:
        _complain(f"the desk cannot start: {wrong}")
        return EX_UNAVAILABLE


def _say_key(config: Config, host: str) -> int:
    """Print what a host's file approval.key is to hold."""
    key = approval_key(config)
    if not key:
        _complain("desk.yaml names no approval_key_file")
        return EX_CONFIG
    sys.stdout.write(f"{grant.host_key(key, host).hex()}\n")
    return 0


def read(path: Path) -> tuple[Config, Catalogue]:
    """Return desk.yaml and its catalogue, or raise ``Rejected`` with every mistake, of planned work too."""
    config = read_config(path)
    catalogue = read_catalogue(config, path.parent)
    # What lies in the past only the running desk can tell from what was carried out.
    read_works(config, catalogue, path.parent, 0, ())
    return config, catalogue


@contextlib.contextmanager
def _locked(state: Path) -> Iterator[IO[bytes]]:
    """Hold the state directory for one desk; the lock goes with the process, however it ends."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (state / "lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file


@contextlib.contextmanager
def _listening(config: Config) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Open both listeners before anything is promised."""
    with _bound(config.listen) as staff, _bound(config.public) as public:
        yield staff, public


def _bound(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    made = socket.create_server((listen.host, listen.port), family=family, backlog=BACKLOG)
    # Who takes nothing for so long is let go; accepted connections inherit it (tcp(7)).
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MS)
    return made


def _run(
    config: Config, catalogue: Catalogue, state: Path, sockets: tuple[socket.socket, socket.socket]
) -> int:
    desk = Desk(config, catalogue, state, now_ms, monotonic_s)
    desk.start()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_told(desk, sockets))
    finally:
        desk.stop()
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop: uvloop where it is, which takes a third of the CPU."""
    try:
        import uvloop  # noqa: PLC0415  it is made for CPython on Linux alone
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _until_told(desk: Desk, sockets: tuple[socket.socket, socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP has the catalogue read again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # A file is read elsewhere than where requests are answered.
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, desk.reload))
    staff, public = (_address(one) for one in sockets)
    lines = f"The page is at http://{public}/\nStaff and agents: http://{staff}/\n"

    def say() -> None:
        sys.stdout.write(lines)
        sys.stdout.flush()

    await serve(desk, sockets, stop, say)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return str(Listen(host, port))


class _Server(uvicorn.Server):
    """A server that leaves the signals to its owner, because two run in this process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(
    desk: Desk,
    sockets: tuple[socket.socket, socket.socket],
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    """Serve staff and public on their sockets until ``stop`` is set; call ``ready`` when both answer."""
    servers = [_server(desk.staff_app()), _server(desk.public_app())]
    running = [
        asyncio.create_task(server.serve(sockets=[one])) for server, one in zip(servers, sockets, strict=True)
    ]
    while not all(server.started for server in servers) and not any(task.done() for task in running):
        await asyncio.sleep(0.005)
    ready()
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *running], return_when=asyncio.FIRST_COMPLETED)
    desk.hush()
    for server in servers:
        server.should_exit = True
    stopping.cancel()
    await asyncio.gather(*running)


def _server(app: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACE_S,
            ws="none",
        )
    )


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
