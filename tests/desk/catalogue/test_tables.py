"""Tables of customers and people: read strictly, every mistake at its cell, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.catalogue.catalogue import Catalogue
from desk.catalogue.file import CatalogueFile, joined, read_catalogue
from desk.catalogue.tables import CELL_CHARS_MAX, customers_csv, people_csv, read_table
from desk.config import read_config
from model.decode import decode
from model.misfit import Rejected
from tests.desk import town

MAX = 1 << 20
SERVICES = town.CATALOGUE.partition("customers:")[0]
CUSTOMERS = """\
customer,name,tier,value,uses,contract.number,contract.since,tags.region
acme,"Acme, ""the"" Ltd",gold,1200.5,checkout search,C-1,2025-01-31,eu
birch,,,,checkout;search,,,us
"""
PEOPLE = """\
customer,email,name,language,zone,quiet,via,roles,addresses.sms,consent.sms
acme,ada@acme.example,Ada,de,Europe/Berlin,22:00-07:00,email sms,it-lead buyer,+49 170 1234567,2026-01-31
birch,cleo@birch.example,Cleo,,,,,,,
"""


def catalogue(customers: str | bytes = CUSTOMERS, people: str | bytes = PEOPLE) -> Catalogue:
    tables = [
        read_table(text.encode() if isinstance(text, str) else text, file, MAX)
        for text, file in ((customers, "customers.csv"), (people, "people.csv"))
    ]
    return joined(
        [decode(SERVICES.replace("owner: payments", "owner: them").encode(), "c", CatalogueFile)], tables
    )


def problems(customers: str | bytes = CUSTOMERS, people: str | bytes = PEOPLE) -> list[str]:
    with pytest.raises(Rejected) as wrong:
        catalogue(customers, people)
    return [str(one) for one in wrong.value.problems]


def test_two_tables_are_customers_with_their_people() -> None:
    acme, birch = catalogue().customers
    assert (acme.name, acme.tier, acme.value, acme.tag("region")) == ('Acme, "the" Ltd', "gold", 1200.5, "eu")
    assert [ref.text for ref in birch.uses] == ["checkout", "search"]
    assert acme.contract is not None
    assert (acme.contract.number, acme.contract.since) == ("C-1", "2025-01-31")
    [ada] = acme.people
    assert (ada.via, ada.roles, ada.addresses.sms) == (
        ("email", "sms"),
        ("it-lead", "buyer"),
        "+491701234567",
    )
    assert birch.people[0].via == ("email",)


@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r"])
def test_a_byte_order_mark_and_any_line_end_are_read(ends: str) -> None:
    bare = catalogue()
    for text in (b"\xef\xbb\xbf" + CUSTOMERS.replace("\n", ends).encode(), CUSTOMERS.rstrip().encode()):
        assert catalogue(text).customers == bare.customers


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("1200.5", "lots", "customers.csv:2:31: expected a number, got 'lots'"),
        ("C-1,2025-01-31", "C-1,31.1.2025", "customers.csv:2:58: '31.1.2025' is not a day"),
        ("checkout;search", "checkout;serch", "customers.csv:3:19: there is no service 'serch'"),
        ("tier,", "teir,", "customers.csv:1:15: unknown column 'teir'; did you mean 'tier'?"),
        ("tier,", "name,", "customers.csv:1:15: the column 'name' is given twice; keep one"),
        ("birch,,", "birch,", "customers.csv:3:1: the row has 7 cells and the header 8"),
        ("birch,,", ",,", "customers.csv:3:1: the key 'customer' is missing"),
        ("birch,,", "Birch & Co,,", "customers.csv:3:1: 'Birch & Co' is not a name here"),
        ("birch,,", 'birch,"x"y,', "customers.csv:3:10: a quote does not end, or stands inside a cell"),
        ("birch,,", 'birch,",', "customers.csv:3:7: a quote does not end, or stands inside a cell"),
        ("birch,,", f"birch,{'x' * (CELL_CHARS_MAX + 1)},", "the cell has 2001 characters"),
        ("customer,name", "kunde,name", "the header has no column customer"),
        (
            ",",
            ";",
            "the header has no column customer; name a column customer, and separate columns by commas",
        ),
    ],
)
def test_a_mistake_among_customers_is_found_at_its_cell(old: str, new: str, said: str) -> None:
    found = problems(CUSTOMERS.replace(old, new) if old == "," else CUSTOMERS.replace(old, new, 1))
    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ada@acme.example", "ada@acme", "people.csv:2:6: 'acme' is not a mail domain"),
        ("Europe/Berlin", "Berlin", "people.csv:2:30: 'Berlin' is not a time zone"),
        ("email sms", "email pigeon", "people.csv:2:62: expected one of email, sms, webhook, got 'pigeon'"),
        ("2026-01-31", "", "nobody is written to by sms without consent; add consent: {sms: 2026-01-31}"),
        ("+49 170 1234567", "0170", "'0170' is not a telephone number"),
        ("birch,cleo", "cedar,cleo", "people.csv:3:1: there is no customer 'cedar'"),
        ("birch,cleo", ",cleo", "people.csv:3:1: the person belongs to no customer"),
        ("cleo@birch.example", "ada@acme.example", "the person 'ada@acme.example' is given twice"),
    ],
)
def test_a_mistake_among_people_is_found_at_its_cell(old: str, new: str, said: str) -> None:
    found = problems(people=PEOPLE.replace(old, new))
    assert any(said in one for one in found), found


def test_all_mistakes_are_said_at_once_and_a_row_may_hold_line_ends() -> None:
    text = (
        CUSTOMERS.replace("acme,", 'acme,"one\ntwo",', 1)
        .replace('"Acme, ""the"" Ltd",', "")
        .replace("gold", "GOLD")
    )
    found = problems(text.replace("1200.5", "x"))
    assert [one.split(": ")[0] for one in found] == [
        "customers.csv:2:7",
        "customers.csv:3:6",
        "customers.csv:3:11",
    ]


def test_what_is_not_utf_8_or_too_large_is_refused() -> None:
    assert problems(CUSTOMERS.replace("gold", "\xe9").encode("latin-1")) == [
        "customers.csv:2:1: byte 98 is not UTF-8; save the table as CSV UTF-8"
    ]
    with pytest.raises(Rejected, match="more than 10 bytes"):
        read_table(CUSTOMERS.encode(), "customers.csv", 10)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "|", "%", "'=", "'"])
def test_no_cell_that_is_written_is_a_formula_and_all_are_read_again(start: str) -> None:
    name = f"{start}cmd('calc')!A1"
    before = catalogue(CUSTOMERS.replace('"Acme, ""the"" Ltd"', name if start != "'" else f"''{name[1:]}"))
    written = customers_csv(before)
    for row in csv.reader(io.StringIO(written, newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "|", "%")) for cell in row)
    assert catalogue(written, people_csv(before)).customers == before.customers


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)


@given(names, names)
def test_what_is_written_is_read_again_whatever_the_names(name: str, region: str) -> None:
    table = io.StringIO(newline="")
    cells = (f"'{text}" if text[0] in "=+-@|%'" else text for text in (name, region))
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows(
        [["customer", "name", "tags.region"], ["acme", *cells]]
    )
    before = catalogue(table.getvalue(), "customer,email,name\n")
    assert (before.customers[0].name, before.customers[0].tag("region")) == (name, region)
    assert catalogue(customers_csv(before), people_csv(before)).customers == before.customers


def test_desk_yaml_may_name_tables(tmp_path: Path) -> None:
    listed = "catalogue: [catalogue.yaml, customers.csv, People.CSV]"
    path = town.write(
        tmp_path,
        catalogue_text=SERVICES.replace("owner: payments", "owner: them"),
        config_text=town.CONFIG.replace("catalogue: [catalogue.yaml]", listed),
    )
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    (tmp_path / "People.CSV").write_text(PEOPLE)
    found = read_catalogue(read_config(path), tmp_path)
    assert [str(person.email) for _, person in found.people()] == ["ada@acme.example", "cleo@birch.example"]


ALTERNATES = """\
customer,name,tags.a.b,alternate.email,alternate.name,alternate.via,alternate.roles,alternate.addresses.sms,\
alternate.consent.sms
acme,Acme,x,boss@acme.example,Bo,sms email,board;legal,+491701234567,2026-01-31
birch,,,,,,,,
"""


def test_whoever_is_told_in_the_place_of_all_stands_in_the_customers_row_and_comes_back_as_written() -> None:
    acme, birch = read_table(ALTERNATES.encode(), "customers.csv", MAX).customers
    assert acme.alternate is not None
    assert (acme.alternate.email, acme.alternate.via) == ("boss@acme.example", ("sms", "email"))
    assert (acme.alternate.roles, acme.alternate.addresses.sms) == (("board", "legal"), "+491701234567")
    assert (acme.tags, birch.alternate) == ({"a.b": "x"}, None)
    written = customers_csv(joined([CatalogueFile(customers=(acme, birch))]))
    assert "alternate.quiet" not in written.partition("\n")[0]
    assert read_table(written.encode(), "again.csv", MAX).customers == (acme, birch)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("boss@acme.example", "boss", "customers.csv:2:13: 'boss' is not one e-mail address"),
        ("sms email", "fax", "customers.csv:2:34: "),
        ("alternate.name", "alternate.nmae", "column 'alternate.nmae'; did you mean 'alternate.name'?"),
        (",Bo,", ",,", "customers.csv:2:13: "),
    ],
)
def test_a_mistake_in_who_stands_in_is_told_at_its_cell(old: str, new: str, said: str) -> None:
    with pytest.raises(Rejected) as wrong:
        read_table(ALTERNATES.replace(old, new, 1).encode(), "customers.csv", MAX)
    assert said in str(wrong.value)
