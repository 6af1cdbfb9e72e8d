"""A PostgreSQL of the tests' own: made once, with a schema for each test."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from desk.store.backing import Backing, on_server
from desk.store.database import Database
from tests.account import account
from tests.desk.serving import until


@dataclass(slots=True)
class Cluster:
    """A server that listens at a socket in its folder alone; ``crash`` ends it as a power cut would."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    made: int = 0
    backings: list[Backing] = field(default_factory=list)

    @property
    def bin(self) -> Path:
        return max(Path("/usr/lib/postgresql").glob("*/bin"))

    def address(self, schema: str) -> str:
        return f"postgresql://boss@/postgres?host={self.folder}&schema={schema}"

    def schema(self) -> str:
        """Make a schema; return its name."""
        self.made += 1
        name = f"test_{self.made}"
        self.sql(f"CREATE SCHEMA {name}")
        return name

    def backing(self, schema: str) -> Backing:
        found = on_server(Database.parse(self.address(schema)), "")
        self.backings.append(found)
        return found

    def sql(self, text: str) -> None:
        import psycopg  # noqa: PLC0415  where it is not installed these tests are left out

        with psycopg.connect(host=str(self.folder), dbname="postgres", user="boss", autocommit=True) as conn:
            conn.execute(text)

    def start(self) -> None:
        argv = [str(self.bin / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), "-h", ""]
        self.process = subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **account()
        )
        until(self._takes, "the server takes connections", 30)

    def _takes(self) -> bool:
        argv = [str(self.bin / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(argv, check=False).returncode == 0

    def crash(self) -> None:
        """End the server without a word."""
        assert self.process is not None, "it runs"
        subprocess.run(
            [str(self.bin / "pg_ctl"), "-D", str(self.folder / "data"), "-m", "immediate", "stop"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **account(),
        )
        self.process.wait(30)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a PostgreSQL as any user: root lets the account nobody have it."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    found = Cluster(folder)
    if os.getuid() == 0:
        entry = pwd.getpwnam("nobody")
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    folder.chmod(0o755)
    try:
        argv = [str(found.bin / "initdb"), "-D", str(folder / "data"), "-U", "boss", "-N", "-A", "trust"]
        subprocess.run(
            argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **account()
        )
        found.start()
        yield found
    finally:
        if found.process is not None and found.process.poll() is None:
            found.process.terminate()  # A smart shutdown would wait for those that are connected.
            found.process.send_signal(2)
            found.process.wait(30)
        shutil.rmtree(folder)
