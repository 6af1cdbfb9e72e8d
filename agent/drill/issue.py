"""Makes a test certificate of its own key, by openssl: ``python -m agent.drill.issue FILE DAYS``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

OPENSSL_S: Final = 20.0


class NotIssued(Exception):
    """There is no certificate; the text says why."""


def issue(file: Path, days: int) -> None:
    """Put key and certificate, valid for so many days from now (or over so long), into a file at once."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise NotIssued("openssl is not installed")
    key, request, done = (file.with_suffix(f".{part}") for part in ("key", "request", "done"))
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    own = ("-req", "-in", str(request), "-key", str(key), "-days", str(days), "-out", str(done))
    _run(
        openssl,
        "req",
        "-new",
        *curve,
        "-subj",
        "/CN=drill.invalid",
        "-keyout",
        str(key),
        "-out",
        str(request),
    )
    _run(openssl, "x509", *own)
    done.write_bytes(key.read_bytes() + done.read_bytes())
    done.chmod(0o600)
    done.replace(file)


def _run(*argv: str) -> None:
    try:
        subprocess.run(argv, capture_output=True, timeout=OPENSSL_S, check=True)
    except subprocess.CalledProcessError as wrong:
        raise NotIssued(f"openssl: {wrong.stderr.decode(errors='replace').strip()[-200:]}") from None
    except (OSError, subprocess.TimeoutExpired) as wrong:
        raise NotIssued(f"openssl: {wrong}") from None


def main() -> int:
    """Issue one; returns the exit code."""
    os.umask(0o077)
    try:
        issue(Path(sys.argv[1]), int(sys.argv[2]))
    except NotIssued as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
