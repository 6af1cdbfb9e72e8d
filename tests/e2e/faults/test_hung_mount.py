"""A share that does not answer is left and mounted anew; one that cannot be mounted is left to people."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.conftest import SEARCH_PATH
from tests.e2e.faults import silent_share
from tests.e2e.faults.scene import QUICK_PROOF, SHIPPED, Scene, acting, rule, shipped
from tests.e2e.faults.vain import BY_ITSELF, QUICKLY, QUIET_S
from tests.e2e.installation import Tree
from tests.e2e.patience import never
from tests.e2e.running import ROOT

ALERT: Final = "NodeFilesystemDeviceError"
EXPR: Final = "node_filesystem_device_error == 1"
USUAL: Final = (
    '"/(backups?|data|nfs|shared?)|/mnt/(backups?|data|nfs|shared?|storage)|/srv/(backups?|data|nfs|shared?)"'
)


def under(folder: Path, source: str, kind: str) -> tuple[str, ...]:
    """Return what gives the agent a world of mounts of its own, where the share is silent."""
    if os.geteuid() != 0 or not Path("/dev/fuse").exists():
        pytest.skip("only root may mount, and only where there is FUSE")
    alone = (shutil.which("unshare", path=SEARCH_PATH) or "unshare", "--mount", "--propagation", "private")
    if subprocess.run((*alone, "mount", "-t", "tmpfs", "none", str(folder)), check=False).returncode:
        pytest.skip("this machine does not let root mount")
    share, table = folder / "share", folder / "fstab"
    share.mkdir()
    # Init knows other mounts than the agent, so the probe is shown a /proc that hides init.
    (folder / "proc").mkdir()
    (folder / "proc" / "self").symlink_to("/proc/self")
    table.write_text(f"{source} {share} {kind} noauto 0 0\n")
    program = str(Path(silent_share.__file__).relative_to(ROOT))
    return (*alone, sys.executable, program, str(table), str(share))


def scene(folder: Path, proof: Tree) -> Scene:
    """Let the shipped playbook look after this share, by its own proof."""
    share = str(folder / "share")
    shown = yaml.safe_load((SHIPPED / "recover-mount.yml").read_text())["verify"]["expr"]
    assert shown.count(USUAL) == 2
    playbook = shipped(
        "recover-mount",
        on=[f'alertname="{ALERT}", fstype="fuse.sshfs", mountpoint="{share}"'],
        guard=BY_ITSELF,
        steps=[{"mount": {"path": share, "state": state}} for state in ("unmounted", "mounted")],
        verify={"expr": shown.replace(USUAL, f'"{share}"'), **proof},
    )
    probe: Tree = {
        "filesystem": {
            "mount_points_include": f"^{share}$",
            "mount_timeout": "300ms",
            "procfs": str(folder / "proc"),
        },
        "every": "1s",
        "timeout": "1s",
    }
    return Scene(folder, (probe,), (playbook,), (rule(ALERT, EXPR),))


@pytest.mark.needs("unshare")
def test_a_share_that_does_not_answer_is_left_and_mounted_anew(tmp_path: Path) -> None:
    words = under(tmp_path, "tmpfs", "tmpfs")
    with acting(scene(tmp_path, QUICK_PROOF), under=words) as stage:
        assert stage.wait_outcomes() == ["fixed"], stage.story()
        [left, mounted] = stage.steps()
        assert left["ok"], stage.story()
        assert mounted["ok"], stage.story()
        told = [line for line in stage.metrics().splitlines() if f'mountpoint="{tmp_path / "share"}"' in line]
        assert any(line.startswith("node_filesystem_size_bytes{") for line in told), told
        assert not any("mountpoint timeout" in line for line in told), told


@pytest.mark.needs("unshare")
def test_a_share_that_cannot_be_mounted_is_not_cured_by_being_gone(tmp_path: Path) -> None:
    words = under(tmp_path, "nas:/export", "no-such-kind")
    with acting(scene(tmp_path, QUICKLY), under=words) as stage:
        assert stage.wait_outcomes() == ["failed"], stage.story()
        [run] = stage.runs()
        assert run["escalate"], stage.story()
        never(lambda: len(stage.runs()) > 1, QUIET_S, "a run too many", stage.story)
