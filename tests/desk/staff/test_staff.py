"""Tokens of staff: made once, kept as a digest, read strictly, and nobody is mistaken for somebody else."""

from __future__ import annotations

import hmac
import stat
from pathlib import Path

import pytest

from desk.catalogue.person import Day
from desk.config import read_config
from desk.main import EX_CONFIG, main
from desk.staff import staff
from desk.staff.staff import Lapsed, Role
from desk.staff.staff_file import read_staff
from desk.staff.staff_tries import NAMES_MAX, TRIES_PER_MINUTE, TRIES_TOGETHER_PER_MINUTE, Tries
from model.misfit import Rejected
from tests.desk import town
from tests.desk.staffing import TEXT, entry, hire, roster, token

NOW_MS = town.NOW_MS
LAST_MS = staff.ends_ms(Day("2026-07-14")) - 1


def test_whose_token_it_is_is_known_by_its_digest_alone() -> None:
    found = roster().bearer(token("eve"), NOW_MS)
    assert found is not None
    assert (found.name, found.may, found.person) == ("eve", (Role.APPROVER,), "eve@shop.example")
    assert token("eve") not in TEXT


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "bfh_",
        token("eve").upper(),
        token("eve") + "0",
        token("eve")[:-1],
        token("eve")[:-1] + ("0" if token("eve")[-1] != "0" else "1"),
        token("eve")[:16] + token("finn")[16:],
        token("nobody"),
        token("eve") + "\n",
        "é" * 81,
        "\ud800",
        "x" * 100_000,
    ],
)
def test_what_is_not_exactly_a_token_is_nobodys(wrong: str) -> None:
    assert roster().bearer(wrong, NOW_MS) is None


def test_digests_are_compared_in_a_time_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    known = roster()
    for each in (token("eve"), token("nobody"), "no token at all"):
        known.bearer(each, NOW_MS)
    assert [len(one) for pair in compared for one in pair] == [64] * 6, "whether or not anybody has it"


def test_a_token_is_good_to_the_end_of_its_day_in_utc() -> None:
    known = roster("staff:\n" + entry("vic", "viewer", until="2026-07-14"))
    assert known.bearer(token("vic"), LAST_MS) is not None
    with pytest.raises(Lapsed):
        known.bearer(token("vic"), LAST_MS + 1)
    wrong = token("vic")[:-1] + ("0" if token("vic")[-1] != "0" else "1")
    assert known.bearer(wrong, LAST_MS + 1) is None, "only its holder hears that it was one"


def test_who_has_no_right_of_a_kind_any_more_is_no_approver() -> None:
    known = roster("staff:\n" + entry("eve", "approver", "eve@shop.example", "2026-07-14"))
    assert list(known.approvers(LAST_MS)) == ["eve@shop.example"]
    assert not known.approvers(LAST_MS + 1)


def test_every_mistake_of_the_file_is_told_at_once_with_its_place() -> None:
    text = TEXT + (
        "- name: Eve Adams\n  token: 12\n  sha256: bfh_secret\n  may: [boss]\n  until: soon\n"
        "- name: zoe\n  token: '000000000000'\n  sha256: '" + "0" * 64 + "'\n  may: []\n  until: 2027-01-01\n"
        "- name: max\n  token: '000000000001'\n  sha256: '" + "0" * 64 + "'\n  may: [approver]\n"
        "  until: 2027-01-01\n  phone: 1\n"
    )
    with pytest.raises(Rejected) as wrong:
        roster(text)
    said = str(wrong.value)
    first = TEXT.count("\n") + 1
    for line, words in enumerate(("is not a name here", "names no token", "is no SHA-256", "one of viewer")):
        assert f"staff.yaml:{first + line}:" in said
        assert words in said
    assert "says of nothing that it may be done" in said
    assert "unknown key 'phone'" in said
    assert "bfh_secret" not in said


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (entry("eve", "approver", "eve@shop.example"), "stands here twice"),
        (entry("eve", "approver", "eve@home.example", of="new"), "eve has another address"),
        (entry("eva", "operator", "EVE@shop.example", of="new"), "eva has the address of eve"),
        (entry("max", "approver"), "an approver has no address"),
    ],
)
def test_one_person_is_never_two(more: str, said: str) -> None:
    with pytest.raises(Rejected, match=said):
        roster(TEXT + more)


def test_somebody_may_have_a_new_token_beside_the_old_one() -> None:
    known = roster(TEXT + entry("eve", "approver", "eve@shop.example", of="new"))
    assert known.bearer(token("eve", "new"), NOW_MS) == known.tokens[token("eve", "new")[4:16]]


def test_the_file_is_refused_where_others_can_read_it(tmp_path: Path) -> None:
    path = town.write(tmp_path, hire(tmp_path, mode=0o644))
    with pytest.raises(Rejected, match="others can use it; run chmod 600"):
        read_staff(read_config(path))
    (tmp_path / "staff.yaml").unlink()
    with pytest.raises(Rejected, match="cannot be read"):
        read_staff(read_config(path))


def test_a_token_is_made_on_the_command_line_and_shown_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = town.write(tmp_path, "staff: staff.yaml\n")
    made = ["--config", str(path), "--staff-token"]
    assert main([*made, "ada", "--may", "operator", "--may", "viewer", "--days", "30"]) == 0
    first = capsys.readouterr().out.strip()
    assert main([*made, "eve", "--may", "approver", "--email", "eve@shop.example"]) == 0
    second = capsys.readouterr().out.strip()
    file = tmp_path / "staff.yaml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["catalogue.yaml", "desk.yaml", "staff.yaml"]
    known = read_staff(read_config(path))
    assert known is not None
    found = [known.bearer(one, NOW_MS) for one in (first, second)]
    assert [one.name for one in found if one] == ["ada", "eve"]
    assert first not in file.read_text()
    assert first[17:] not in file.read_text()


def test_a_token_is_added_to_another_file_than_the_desk_reads(tmp_path: Path) -> None:
    path = town.write(tmp_path, "staff: /run/credentials/desk/staff.yaml\n")
    file = tmp_path / "etc.yaml"
    assert main(["--config", str(path), "--staff-token", "ada", "--staff-file", str(file)]) == 0
    assert "name: 'ada'" in file.read_text()


@pytest.mark.parametrize(
    "wrong",
    [
        ["Ada Lovelace"],
        ["../etc"],
        ["ada", "--may", "boss"],
        ["ada", "--days", "0"],
        ["ada", "--days", "731"],
        ["ada", "--email", "a@b, c@d"],
    ],
)
def test_what_can_be_no_entry_is_refused(tmp_path: Path, wrong: list[str]) -> None:
    path = town.write(tmp_path, "staff: staff.yaml\n")
    with pytest.raises(SystemExit):
        main(["--config", str(path), "--staff-token", *wrong])
    assert not (tmp_path / "staff.yaml").exists()


@pytest.mark.parametrize("more", ["", "staff: staff.yaml\n", "staff: missing/staff.yaml\n"])
def test_nothing_is_written_where_the_whole_would_not_be_sound(tmp_path: Path, more: str) -> None:
    path = town.write(tmp_path, more)
    wrong = "" if more != "staff: staff.yaml\n" else TEXT
    if wrong:
        hire(tmp_path, wrong)
    asked = ["--config", str(path), "--staff-token", "eve", "--may", "approver", "--email", "x@shop.example"]
    assert main(asked) == EX_CONFIG
    if wrong:
        assert (tmp_path / "staff.yaml").read_text() == wrong


def test_tries_are_counted_by_the_name_in_the_token_and_come_back_with_time() -> None:
    tries = Tries()
    for _ in range(TRIES_PER_MINUTE):
        assert not tries.wait_s("a", 1.0)
        assert tries.failed("a", 1.0)
    assert 0 < tries.wait_s("a", 1.0) <= 60 / TRIES_PER_MINUTE
    assert not tries.wait_s("b", 1.0), "who does not know a token's name cannot lock it"
    assert not tries.wait_s("a", 61.0)


def test_there_is_an_end_to_what_is_judged_and_remembered() -> None:
    tries = Tries()
    counted = [tries.failed(str(number), 1.0) for number in range(NAMES_MAX + 9)]
    assert sum(counted) == TRIES_TOGETHER_PER_MINUTE
    assert not tries.wait_s("0", 1.0)
