"""A desk that is killed amid hundreds of mails: nobody is lost, and one mail in doubt for each kill."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from desk.audience.inquiry import PAGE_PEOPLE
from tests.desk import town
from tests.desk.cluster import Cluster
from tests.desk.post import Mail, Post, post_office
from tests.desk.serving import Serving, alert

PEOPLE = 800
KILLS = 3
MESSAGE_ID = re.compile(rb"(?m)^Message-ID: (.+)\r$")


def arrived(post: Post, count: int) -> bool:
    return len(post.mails) >= count


def told(post: Post) -> int:
    return len({mail.to for mail in post.mails})


def message_id(mail: Mail) -> bytes:
    """Return it without reading the whole mail, which takes longer than to send it."""
    found = MESSAGE_ID.search(mail.data)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("database", "couriers"),
    [("sqlite", 2), pytest.param("postgresql", 1, marks=pytest.mark.needs("pg_ctlcluster"))],
)
def test_kills_among_hundreds_of_mails_lose_nobody_and_double_one_each(
    tmp_path: Path, request: pytest.FixtureRequest, database: str, couriers: int
) -> None:
    crowd = "".join(f"  - {{name: P, email: p{n}@acme.example}}\n" for n in range(PEOPLE - 2))
    text = town.CATALOGUE.replace("  - {name: Ben, email: ben@acme.example}\n", crowd)
    chance = random.Random(couriers)
    with post_office() as post:
        post.pipelining = True
        smtp = f'smtp: {{host: 127.0.0.1, port: {post.port}, from: "Example Shop <status@shop.example>"}}\n'
        more = f"{smtp}couriers: {couriers}\n"
        if database == "postgresql":
            server: Cluster = request.getfixturevalue("server")
            more += f"database: {server.address(server.schema())}\n"
        with Serving(town.write(tmp_path, more, text), tmp_path / "state") as desk:
            assert desk.post([alert()]).status == 200
            for kill in range(KILLS):
                post.wait(partial(arrived, post, (kill + 1) * PEOPLE // (KILLS + 2)), 30)
                time.sleep(chance.random() * 0.05)
                desk.kill()
                desk.start()
            post.wait(partial(arrived, post, PEOPLE), 40)
            post.wait(lambda: told(post) == PEOPLE, 40)
            assert desk.stop() == 0
            assert "Traceback" not in "".join(desk.errors)
        copies = Counter((mail.to, message_id(mail)) for mail in post.mails)
        assert len(copies) == PEOPLE, "each person has one Message-ID, on every try"
        doubled = copies.total() - PEOPLE
        assert doubled <= KILLS * couriers, "a kill leaves the one mail in doubt that a courier has in hand"


def test_a_desk_that_is_killed_while_it_plans_goes_on_with_the_people_it_had_not_found_yet(
    tmp_path: Path,
) -> None:
    people = 2 * PAGE_PEOPLE + 50
    crowd = "".join(f"  - {{name: P, email: p{n}@acme.example}}\n" for n in range(people - 2))
    text = town.CATALOGUE.replace("  - {name: Ben, email: ben@acme.example}\n", crowd)
    with post_office() as post:
        post.pipelining = True
        smtp = f'smtp: {{host: 127.0.0.1, port: {post.port}, from: "Example Shop <status@shop.example>"}}\n'
        with Serving(town.write(tmp_path, smtp, text), tmp_path / "state") as desk:
            assert desk.post([alert()]).status == 200
            desk.kill()
            desk.start()
            post.wait(lambda: told(post) == people, 50)
            assert desk.stop() == 0
            assert "Traceback" not in "".join(desk.errors)
    doubled = len(post.mails) - told(post)
    assert doubled <= 1
