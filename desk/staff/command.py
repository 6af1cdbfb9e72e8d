"""``beforehand desk --staff-token NAME``: makes a token for somebody of the staff, and prints it once."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from desk.catalogue.person import EmailAddress, Slug
from desk.config import Config
from desk.staff import staff_file
from desk.staff.staff import DAYS_MAX, ID_BYTES, SECRET_BYTES, Role
from desk.staff.staff_file import Order
from model.misfit import Misfit, Problem, Rejected

DAYS: Final = 365


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line ask for a token."""
    asked = parser.add_argument_group("a token for somebody of the staff")
    asked.add_argument(
        "--staff-token",
        metavar="NAME",
        type=_read(Slug.parse),
        help="add NAME to the file that desk.yaml names as staff, print the token, and end",
    )
    asked.add_argument(
        "--may",
        action="append",
        choices=[one.value for one in Role],
        default=[],
        help="what it is for; may be given more than once (viewer)",
    )
    asked.add_argument("--email", type=_read(EmailAddress.parse), help="an address, which approvers need")
    asked.add_argument(
        "--staff-file",
        type=Path,
        metavar="FILE",
        help="another file to add to than the one that the desk reads",
    )
    asked.add_argument(
        "--days", type=_days, default=DAYS, help=f"for how many days it is good, {DAYS_MAX} at most ({DAYS})"
    )


def make(config: Config, options: argparse.Namespace, now_ms: int) -> int:
    """Make the token, and print it alone to standard output; raises ``Rejected``."""
    may = tuple(Role(one) for one in options.may) or (Role.VIEWER,)
    if Role.APPROVER in may and options.email is None:
        sentence = "an approver needs an address, by which a link and a token are one person's"
        raise Rejected((Problem(config.place, sentence, "add --email ADDRESS"),))
    order = Order(options.staff_token, may, options.email, options.days, options.staff_file)
    token = staff_file.add(config, order, secrets.token_bytes(ID_BYTES + SECRET_BYTES), now_ms)
    sys.stdout.write(f"{token}\n")
    sys.stderr.write(
        f"{order.name} may: {', '.join(may)}. It is printed this once. A desk that runs reads it on SIGHUP.\n"
    )
    return 0


def _read(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(text)
        except Misfit as wrong:
            raise argparse.ArgumentTypeError(f"{wrong.sentence}; {wrong.cure}") from None

    return read


def _days(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 5 and 1 <= int(text) <= DAYS_MAX:
        return int(text)
    raise argparse.ArgumentTypeError(f"write a number of days from 1 to {DAYS_MAX}")
