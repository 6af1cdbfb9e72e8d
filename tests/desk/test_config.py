"""desk.yaml is read strictly, and every mistake is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.config import password, read_config
from model.misfit import Rejected
from tests.desk import town


def problems(text: str, tmp_path: Path) -> list[str]:
    path = tmp_path / "desk.yaml"
    path.write_text(text)
    with pytest.raises(Rejected) as wrong:
        read_config(path)
    return [str(one).removeprefix(f"{tmp_path}/") for one in wrong.value.problems]


def test_a_plain_desk_needs_a_name_a_base_and_a_catalogue() -> None:
    config = town.config("name: X\nurl: https://status.example.com/\ncatalogue: [c.yaml]\n")
    assert config.url == "https://status.example.com"
    assert str(config.listen) == "127.0.0.1:9466"
    assert config.hold.ms == 60_000


@pytest.mark.parametrize(
    "address", ["0.0.0.0:9466", "192.0.2.1:9466", "[::]:9466", ":9466", "eth0:1", "127.0.0.1:x"]
)
def test_listening_beyond_this_machine_is_refused(address: str, tmp_path: Path) -> None:
    text = town.CONFIG.replace("listen: 127.0.0.1:0", f'listen: "{address}"')
    [problem] = problems(text, tmp_path)
    assert problem.startswith("desk.yaml:3:")


def test_every_mistake_is_said_with_its_place(tmp_path: Path) -> None:
    text = "name: X\nurl: ftp://x\ncatalogue: []\nhold: soon\nzone: Mars\ncolour: red\n"
    found = problems(text, tmp_path)
    assert [one.split(":")[1] for one in found] == ["2", "4", "5", "6"]


def test_a_password_is_never_sent_in_clear_and_never_written_in_the_file(tmp_path: Path) -> None:
    smtp = "smtp: {host: mail.example, from: a@b.example, username: u, password_file: pw}\n"
    [problem] = problems(town.CONFIG + smtp, tmp_path)
    assert "in clear" in problem
    [unknown] = problems(town.CONFIG + smtp.replace("password_file", "password"), tmp_path)
    assert "unknown key 'password'" in unknown


def test_a_password_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("secret\n")
    smtp = "smtp: {host: m.example, from: a@b.example, security: tls, username: u, password_file: pw}\n"
    config = town.config(town.CONFIG + smtp)
    assert config.smtp is not None
    assert password(config.smtp, tmp_path) == "secret"


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="cannot be read"):
        read_config(tmp_path / "none.yaml")


def test_a_hold_beyond_a_quarter_of_an_hour_is_refused(tmp_path: Path) -> None:
    [problem] = problems(town.CONFIG.replace("60s", "16m"), tmp_path)
    assert "too long" in problem
