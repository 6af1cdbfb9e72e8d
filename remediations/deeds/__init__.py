"""How deeds are done: one module for each, and its line in ``DEEDS``.

A deed finds what it acts upon itself, at the moment of acting, and keeps to its limits whatever it was told.
With ``check`` it only looks, and says in the result's ``diff`` what it would change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from model import deed
from model.step import Result
from remediations.deeds import (
    certificate,
    clock,
    container,
    edit_line,
    free_space,
    haproxy,
    kernel,
    mount,
    old_kernels,
    open_deleted,
    package,
    process,
    versions,
    wait_for,
    web,
    write_file,
)
from remediations.deeds.doing import Doing

DEEDS: Final[Mapping[type, Callable[[Any, Doing], Result]]] = {
    deed.FreeSpace: free_space.do,
    deed.RestoreHeld: free_space.restore,
    deed.ReleaseDeleted: open_deleted.release,
    deed.TruncateDeleted: open_deleted.truncate,
    deed.PurgeKernels: old_kernels.do,
    deed.Mount: mount.do,
    deed.WriteFile: write_file.do,
    deed.EditLine: edit_line.do,
    deed.RestoreFile: versions.restore,
    deed.WaitFor: wait_for.do,
    deed.SignalProcess: process.do,
    deed.BringContainer: container.do,
    deed.StepClock: clock.do,
    deed.SetKernel: kernel.do,
    deed.RestoreKernel: kernel.restore,
    deed.UpgradePackage: package.do,
    deed.CallHttp: web.do,
    deed.RenewCertificate: certificate.do,
    deed.SetHaproxyServer: haproxy.do,
}
