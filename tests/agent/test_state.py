from __future__ import annotations

from pathlib import Path

import pytest

from agent.state import StateDirectory, Taken, default_state


def test_a_state_directory_belongs_to_one_agent_and_is_given_back(tmp_path: Path) -> None:
    first = StateDirectory(tmp_path / "state")
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    with pytest.raises(Taken, match="stop it, or choose another --state"):
        StateDirectory(tmp_path / "state")
    first.close()
    StateDirectory(tmp_path / "state").close()


@pytest.mark.parametrize(
    ("environment", "uid", "path"),
    [
        ({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, 1000, "/var/lib/a"),
        ({"HOME": "/root"}, 0, "/var/lib/beforehand"),
        ({"HOME": "/home/ada"}, 1000, "/home/ada/.local/state/beforehand"),
        ({"HOME": "/home/ada", "XDG_STATE_HOME": "/s"}, 1000, "/s/beforehand"),
    ],
)
def test_state_lies_where_systemd_the_user_or_root_expects_it(
    environment: dict[str, str], uid: int, path: str
) -> None:
    assert default_state(environment, uid) == Path(path)
