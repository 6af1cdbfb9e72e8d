"""``beforehand desk``: reads what is written, locks its state, serves until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, Literal

import uvicorn
from starlette.types import ASGIApp

from desk.app import Desk
from desk.catalogue.catalogue import Catalogue
from desk.catalogue.file import read_catalogue
from desk.catalogue.person import Hook
from desk.clock import is_set, monotonic_s, now_ms
from desk.config import Config, approval_key, read_config
from desk.delivery import link_secret
from desk.maintenance.file import read_works
from desk.staff import command as staff_command
from desk.staff.staff_file import read_staff
from desk.store.backing import Unready
from desk.store.store import TooNew
from model import grant
from model.address import Listen
from model.misfit import Misfit, Rejected

EX_DATAERR: Final = 65
EX_UNAVAILABLE: Final = 69
EX_TEMPFAIL: Final = 75
EX_CONFIG: Final = 78

BACKLOG: Final = 512
GRACE_S: Final = 3
STUCK_MS: Final = 60_000
GARBAGE_MAX: Final = 10_000  # new objects between two looks at the youngest


def main(argv: Sequence[str]) -> int:
    """Run the desk; return 0 after a clean stop, 78 where what is written is wrong, 75 where another runs or
    the clock was never set."""
    parser = argparse.ArgumentParser("beforehand desk", description="Serve the desk.")
    parser.add_argument("--config", required=True, type=Path, help="the file desk.yaml")
    parser.add_argument("--state", type=Path, help="the directory that keeps the desk's state")
    parser.add_argument("--host-key", metavar="HOST", help="print the approval key of one host, and end")
    parser.add_argument("--hook-secret", metavar="URL", help="print what checks the posts to a hook, and end")
    staff_command.add_options(parser)
    options = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    try:
        if options.staff_token:
            return staff_command.make(read_config(options.config), options, now_ms())
        config, catalogue = read(options.config)
        if options.host_key:
            return _say_key(config, options.host_key)
    except Rejected as wrong:
        _complain(str(wrong))
        return EX_CONFIG
    if options.state is None:
        parser.error("--state is needed")
    if options.hook_secret:
        return _say_hook_secret(config, options.state, options.hook_secret)
    return _served(config, catalogue, options.state)


def _served(config: Config, catalogue: Catalogue, state: Path) -> int:
    """Serve until told to stop; return the exit code."""
    if not is_set(now_ms()):
        # Whoever posts meanwhile posts again, and is not answered that it is kept.
        _complain("the clock of this machine was never set; set it, and the desk starts")
        return EX_TEMPFAIL
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


def _say_hook_secret(config: Config, state: Path, url: str) -> int:
    """Print what the receiver at an address is given, so that it can tell our posts from others."""
    try:
        sys.stdout.write(f"{link_secret.for_hook(config, state, Hook.parse(url))}\n")
    except Misfit as wrong:
        _complain(f"{wrong.sentence}; {wrong.cure}")
        return EX_CONFIG
    except OSError as wrong:
        _complain(f"the desk's state cannot be used: {wrong}")
        return EX_UNAVAILABLE
    return 0


def read(path: Path) -> tuple[Config, Catalogue]:
    """Return desk.yaml and its catalogue, or raise ``Rejected`` with every mistake, of planned work too."""
    config = read_config(path)
    catalogue = read_catalogue(config, path.parent)
    read_staff(config)
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
    _settle_memory()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_told(desk, sockets))
    finally:
        desk.stop()
    return 0


def _settle_memory() -> None:
    """Have the collector of garbage leave alone what stands by now, and look less often: alerts come by the
    thousand, and going over everything for each few hundred takes a fifth of what it costs to take them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_MAX, *gc.get_threshold()[1:])


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the event loop: uvloop where it is, which takes a third of the CPU."""
    try:
        import uvloop  # noqa: PLC0415  it is made for CPython on Linux alone
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _until_told(desk: Desk, sockets: tuple[socket.socket, socket.socket]) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP has staff, catalogue and planned work read again."""
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
            http=_protocol(),
        )
    )


def _protocol() -> type[asyncio.Protocol] | Literal["auto"]:
    """Return what reads requests: with limits of ours where the fast parser is; the other has its own."""
    try:
        from desk.staff.doorway import Doorway  # noqa: PLC0415  the parser is made for CPython alone
    except ImportError:
        return "auto"
    return Doorway


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
