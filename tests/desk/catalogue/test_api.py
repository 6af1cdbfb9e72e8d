"""The catalogue over HTTP: for the holder of the token, checked whole, previewed, used without a restart."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.desk import town
from tests.desk.serving import Reply, Serving, alert, until
from tests.desk.town import ADA, BEN, CLEO, DAN

TOKEN = "t" * 32
PATH = "/api/v1/catalogue"


def desk(folder: Path, more: str = "catalogue_token_file: token\n") -> Serving:
    config = town.write(folder, more)
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "token").chmod(0o600)
    return Serving(config, folder / "state")


def ask(serving: Serving, catalogue: object = None, query: str = "", token: str = TOKEN) -> Reply:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    if catalogue is None:
        return serving.ask(PATH + query, headers=headers)
    return serving.ask(PATH + query, method="PUT", body=json.dumps(catalogue).encode(), headers=headers)


def fetched(serving: Serving) -> dict[str, Any]:
    found = ask(serving).json()
    assert isinstance(found, dict)
    return found


def move_birch(catalogue: dict[str, Any]) -> dict[str, Any]:
    """Let birch use search alone, and cedar checkout."""
    catalogue["customers"][1]["uses"] = ["search"]
    catalogue["customers"][2]["uses"] = ["checkout"]
    return catalogue


def test_what_is_fetched_can_be_sent_back_and_changes_nothing(tmp_path: Path) -> None:
    with desk(tmp_path) as serving:
        before = fetched(serving)
        reply = ask(serving, before)
        assert (reply.status, reply.json()) == (200, {"in_force": True, "changes": []})
        assert fetched(serving) == before
        table = ask(serving, query="?csv=people")
        assert table.headers["content-type"].startswith("text/csv")
        assert f"cedar,{DAN},Dan" in table.text
        assert ask(serving, query="?csv=teams").status == 400


@pytest.mark.parametrize("token", ["", "t" * 31, "T" * 32, "é"])
def test_without_the_token_nothing_is_read_or_written(tmp_path: Path, token: str) -> None:
    with desk(tmp_path) as serving:
        catalogues: tuple[object, ...] = (None, {"services": []})
        for catalogue in catalogues:
            reply = ask(serving, catalogue, token=token.encode().decode("latin-1"))
            assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="staff"')
        assert serving.ask(PATH, public=True).status == 404


def test_where_no_token_is_named_nobody_may(tmp_path: Path) -> None:
    with desk(tmp_path, "") as serving:
        assert ask(serving).status == 403
        assert ask(serving, {"services": []}).status == 403


def test_a_preview_says_who_would_be_told_differently_and_changes_nothing(tmp_path: Path) -> None:
    with desk(tmp_path) as serving:
        serving.post([alert()])
        before = fetched(serving)
        reply = ask(serving, move_birch(fetched(serving)), "?preview=true")
        assert reply.status == 200
        told = reply.json()
        assert told["in_force"] is False
        by_what = {one["what"]: one for one in told["changes"]}
        [ref] = [one["id"] for one in serving.incidents()]
        now = by_what[f"the open incident {ref}"]
        assert (now["more"], now["fewer"], now["otherwise"]) == ([DAN], [CLEO], [])
        slow = by_what['alertname="CheckoutSlow"']
        assert (slow["more"], slow["fewer"]) == ([DAN], [CLEO])
        assert 'alertname="AllDown"' not in by_what
        assert fetched(serving) == before


def test_what_is_put_is_used_at_once_and_after_a_kill(tmp_path: Path) -> None:
    with desk(tmp_path) as serving:
        serving.post([alert()])
        until(lambda: told(serving) == {ADA, BEN, CLEO}, "the first three are told")
        wanted = move_birch(fetched(serving))
        assert ask(serving, wanted).status == 200
        until(lambda: told(serving) == {ADA, BEN, CLEO, DAN}, "who was added is told as well")
        serving.kill()
        serving.start()
        assert fetched(serving) == wanted


def told(serving: Serving) -> set[str]:
    return {one["email"] for one in serving.incidents()[0]["told"]}


def test_a_catalogue_with_mistakes_is_refused_whole_with_all_of_them(tmp_path: Path) -> None:
    with desk(tmp_path) as serving:
        wrong = move_birch(fetched(serving))
        wrong["customers"][0]["uses"] = ["none"]
        wrong["customers"][1]["people"][0]["zone"] = "Mars"
        reply = ask(serving, wrong)
        assert reply.status == 400
        assert ["is not a time zone" in one for one in reply.json()["mistakes"]] == [True]
        wrong["customers"][1]["people"][0].pop("zone")
        [mistake] = ask(serving, wrong).json()["mistakes"]
        assert mistake.startswith("catalogue:1:")
        assert "there is no service 'none'" in mistake
        assert fetched(serving)["customers"][1]["uses"] == ["checkout"]
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "text/plain"}
        assert serving.ask(PATH, method="PUT", body=b"services: []", headers=headers).status == 415
        assert ask(serving, wrong, "?preview=maybe").status == 400


def hup(serving: Serving) -> None:
    assert serving.process is not None
    os.kill(serving.process.pid, signal.SIGHUP)


def test_a_signal_has_the_files_read_again_and_they_end_what_was_sent(tmp_path: Path) -> None:
    with desk(tmp_path) as serving:
        assert ask(serving, move_birch(fetched(serving))).status == 200
        file = tmp_path / "catalogue.yaml"
        file.write_text(town.CATALOGUE.replace("name: Dan", "name: Daniel"))
        hup(serving)
        until(lambda: fetched(serving)["customers"][2]["people"][0]["name"] == "Daniel", "the file is read")
        assert fetched(serving)["customers"][2]["uses"] == ["search"]
        serving.kill()
        serving.start()
        assert fetched(serving)["customers"][2]["uses"] == ["search"]


def test_a_file_with_a_mistake_leaves_the_catalogue_as_it_is_and_says_why(tmp_path: Path) -> None:
    with desk(tmp_path) as serving:
        before = fetched(serving)
        file = tmp_path / "catalogue.yaml"
        file.write_text(town.CATALOGUE.replace("uses: [search]", "uses: [serch]"))
        hup(serving)
        assert serving.process is not None
        assert serving.process.stderr is not None
        said = [serving.process.stderr.readline() for _ in range(2)]
        assert "the catalogue and planned work stay as they are" in said[0]
        assert "there is no service 'serch'" in said[1]
        assert fetched(serving) == before
        serving.post([alert()])
        until(lambda: told(serving) == {ADA, BEN, CLEO}, "the old catalogue is used")


def test_a_token_that_others_may_read_or_that_is_short_is_refused(tmp_path: Path) -> None:
    for mode, text, said in ((0o644, TOKEN, "others can use it"), (0o600, "short", "the token has 5 bytes")):
        folder = tmp_path / str(mode)
        serving = desk(folder)
        (folder / "token").write_text(text)
        (folder / "token").chmod(mode)
        with pytest.raises(AssertionError, match=said):
            serving.start()
