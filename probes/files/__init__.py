"""Files and what is written in them: logs, the journal, the kernel's log, certificates, backups."""

from __future__ import annotations

from typing import Final

from model.plugin import AnyProbe
from probes.files import backup, cert_file, file, journal, kmsg, log

FILES: Final[tuple[AnyProbe, ...]] = (
    file.PROBE, log.PROBE, journal.PROBE, kmsg.PROBE, cert_file.PROBE, backup.PROBE,
)  # fmt: skip  # from any file to special ones
