"""Real servers on loopback, started by the test with files of their own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.account import account
from tests.probes.service.servers import answers, program, running, until
from tests.probes.targets import unused_port

NGINX = """
daemon off;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 16; }}
http {{
  access_log off;
  {paths}
  include {folder}/sites/*.conf;
}}
"""
SITE = """
server {{
  listen 127.0.0.1:{port};
  location / {{ return 200 "hello"; }}
  location = /stub_status {{ stub_status; allow 127.0.0.1; deny all; }}
}}
server {{
  listen 127.0.0.1:{secure} ssl;
  ssl_certificate {folder}/certificate;
  ssl_certificate_key {folder}/key;
  location / {{ return 404; }}
}}
"""
BIN = Path("/usr/lib/postgresql")


@contextmanager
def nginx(folder: Path, port: int, secure: int) -> Iterator[int]:
    """Serve one page in the clear and none behind TLS; yields the process id."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {folder};" for kind in kinds)
    user = pwd.getpwuid(os.geteuid()).pw_name
    (folder / "sites").mkdir()
    (folder / "sites" / "shop.conf").write_text(SITE.format(port=port, secure=secure, folder=folder))
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, paths=paths, user=user))
    with running([program("nginx"), "-c", str(config), "-p", str(folder)], folder) as server:
        until(lambda: answers(port) and answers(secure), "nginx")
        yield server.pid


@contextmanager
def redis(folder: Path, port: int) -> Iterator[int]:
    """Serve with a pid file in the working directory; yields the process id."""
    argv = [
        program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
        "--dir", str(folder), "--pidfile", str(folder / "redis.pid"),
    ]  # fmt: skip  # as in a shell
    with running(argv, folder) as server:
        until(lambda: answers(port) and (folder / "redis.pid").exists(), "redis")
        yield server.pid


@contextmanager
def postgres(folder: Path) -> Iterator[int]:
    """Serve with a role for the probe; it refuses to be root; yields the process id."""
    who, port = account(), unused_port()
    if who:
        shutil.chown(folder, "nobody", "nogroup")
    binaries = max(BIN.glob("*/bin"), key=lambda path: int(path.parent.name))
    data = folder / "data"
    made = [str(binaries / "initdb"), "-D", str(data), "-U", "boss", "-N", "-A", "trust"]
    subprocess.run(made, check=True, capture_output=True, cwd=folder, timeout=50, **who)
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": folder,
        "fsync": "off",
        "shared_buffers": "8MB",
    }
    lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
    with (data / "postgresql.conf").open("a") as config:
        config.write(lines)
    sql = "CREATE ROLE beforehand LOGIN; GRANT pg_monitor TO beforehand;"
    asked = [program("psql"), "-Xq", "-h", str(folder), "-p", str(port), "-U", "boss", "-c", sql, "postgres"]

    def granted() -> bool:
        return subprocess.run(asked, capture_output=True, timeout=20, check=False).returncode == 0

    with running([str(binaries / "postgres"), "-D", str(data), "-p", str(port)], folder, **who) as server:
        until(lambda: answers(port), "postgres")
        until(granted, "the role")
        yield server.pid
