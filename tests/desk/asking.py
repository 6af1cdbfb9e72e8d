"""A desk that may ask its engineers, and the questions that agents bring."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from model.grant import Grant
from tests.desk import town
from tests.desk.post import Post
from tests.desk.serving import Reply, Serving, alert

EVE, FINN = "eve@shop.example", "finn@shop.example"
CATALOGUE: Final = town.CATALOGUE.replace(
    "- {team: payments, email: oncall@shop.example}",
    f"""- team: payments
  email: oncall@shop.example
  people:
  - {{name: Eve, email: {EVE}}}
  - {{name: Finn, email: {FINN}}}""",
)
KEY: Final = bytes(range(32))
PLAN: Final = "ab" * 32
STEPS: Final = ("run nginx -t", "restart nginx.service")
LINK: Final = re.compile(r"http://127\.0\.0\.1:9467(/approve/[0-9a-f]{64})")
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


def serve(folder: Path, port: int, *, key: bool = True, catalogue: str = CATALOGUE) -> Serving:
    """Return a desk with a mail server; ``key`` says that it may ask people."""
    folder.mkdir(parents=True, exist_ok=True)
    more = f'smtp: {{host: 127.0.0.1, port: {port}, from: "Example Shop <status@shop.example>"}}\n'
    if key:
        write_key(folder / "approval.key")
        more += "approval_key_file: approval.key\n"
    return Serving(town.write(folder, more, catalogue), folder / "state")


def write_key(path: Path, text: str = KEY.hex(), mode: int = 0o600) -> None:
    path.write_text(text + "\n")
    path.chmod(mode)


def question(ask: str, host: str = "web1", *, lasts_s: float = 600, **more: object) -> str:
    """Return an annotation as an agent writes it."""
    now_ms = round(time.time() * 1000)
    fields = {
        "ask": ask,
        "host": host,
        "playbook": "restart-nginx",
        "plan": PLAN,
        "risk": "R2",
        "needs": 1,
        "asked_ms": now_ms,
        "until_ms": now_ms + round(lasts_s * 1000),
        "because": "restart-nginx cannot be undone",
        "steps": STEPS,
    }
    return json.dumps(fields | more)


def asking(
    text: str, host: str = "web1", *, over: bool = False, name: str = "CheckoutDown"
) -> dict[str, object]:
    """Return an alert that brings a question."""
    one = alert(name, over=over, remedy="proposed", instance=host)
    assert isinstance(one["annotations"], dict)
    one["annotations"] |= {"beforehand_ask": text, "beforehand_host": host}
    return one


@dataclass(frozen=True, slots=True)
class Case:
    """One question of a host of its own, at a desk that others may use as well."""

    desk: Serving
    post: Post
    ask: str = "ask-00000001"
    host: str = "web1"

    def put(self, *, name: str = "CheckoutDown", **more: Any) -> str:
        """Have the agent ask, and return what it said."""
        text = question(self.ask, self.host, **more)
        assert self.desk.post([asking(text, self.host, name=name)]).status == 200
        return text

    def letters(self, person: str) -> list[Any]:
        subject = f"[Example Shop] May restart-nginx act on {self.host}?"
        return [mail for mail in self.post.to(person) if str(mail.message["Subject"]) == subject]

    def link(self, person: str, place: int = 0) -> str:
        self.post.wait(lambda: len(self.letters(person)) > place)
        found = LINK.search(self.letters(person)[place].text)
        assert found is not None
        return found[1]

    def look(self, path: str, method: str = "GET") -> Reply:
        return self.desk.ask(path, method=method, public=True, headers={"Sec-Purpose": "prefetch"})

    def say(self, path: str, word: str) -> Reply:
        return self.desk.ask(path, method="POST", body=f"word={word}".encode(), headers=_FORM, public=True)

    def grants(self) -> list[Grant]:
        told = self.desk.ask(f"/api/v1/grants?host={self.host}").json()
        return [Grant(**one) for one in told["grants"]]

    def audit(self) -> list[str]:
        query = "SELECT what, note FROM ask_audit WHERE ask = ? ORDER BY id"
        return [" ".join(filter(None, row)) for row in self.rows(query, self.ask)]

    def rows(self, query: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(self.desk.state / "desk.sqlite")) as raw:
            return raw.execute(query, values).fetchall()

    def told(self) -> dict[str, Any]:
        """Return what staff are told of the question."""
        [found] = [
            one
            for incident in self.desk.incidents()
            for one in incident["approvals"]
            if one["ask"] == self.ask
        ]
        assert isinstance(found, dict)
        return found
