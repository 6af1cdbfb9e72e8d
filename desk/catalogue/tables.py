"""Customers and people as tables of RFC 4180: read strictly, and written so that no cell is a formula.

One file holds customers and another people; the header says which, and a dot in a column's name leads into
a key of the catalogue: ``tags.region``, ``contract.until``, ``addresses.sms``. An empty cell is a key left
out; the items of a list stand in one cell, with spaces or ``;`` between them.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from desk.catalogue.catalogue import Catalogue
from desk.catalogue.customer import Customer, Person
from desk.catalogue.dependency import Ref
from model.decode import MISSING, Decoder, nearest
from model.misfit import Place, Problem, Rejected
from model.yaml_tree import Mapping, Node, Scalar
from model.yaml_tree import Sequence as Items

COLUMNS_MAX: Final = 100
CELL_CHARS_MAX: Final = 2_000

CUSTOMER: Final = (
    "customer",
    "name",
    "tier",
    "value",
    "uses",
    "contract.number",
    "contract.since",
    "contract.until",
)
PERSON: Final = (
    "customer",
    "email",
    "name",
    "language",
    "zone",
    "quiet",
    "digest",
    "pre_impact",
    "via",
    "roles",
    "addresses.sms",
    "addresses.webhook",
    "consent.email",
    "consent.sms",
    "consent.webhook",
)
TAGS: Final = "tags."
ALTERNATE: Final = tuple(f"alternate.{name}" for name in PERSON if name != "customer")
_LISTS: Final = ("uses", "via", "roles", "alternate.via", "alternate.roles")

_CELL: Final = re.compile(r'"((?:[^"]|"")*)"|([^",\r\n]*)')
_END: Final = re.compile(r",|\r\n|\n|\r|\Z")
_BREAK: Final = re.compile(r"\r\n|\n|\r")
_ITEM: Final = re.compile(r"[^\s;]+")
_FORMULA: Final = re.compile(r"[=+\-@\t\r|%]")
_ESCAPED: Final = re.compile(r"'(?=[=+\-@\t\r|%'])")


@dataclass(frozen=True, slots=True)
class Attached:
    """A person of a table, with the name of the customer whom they belong to."""

    customer: Ref
    person: Person


@dataclass(frozen=True, slots=True)
class Table:
    """What one CSV file holds: customers, or people."""

    customers: tuple[Customer, ...] = ()
    people: tuple[Attached, ...] = ()


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    place: Place  # of the first character, inside the quotes


def read_table(data: bytes, file: str, bytes_max: int) -> Table:
    """Return a CSV file as customers or people, or raise ``Rejected`` with every mistake in it."""
    rows = _rows(_text(data, file, bytes_max), file)
    header = next(rows, [])
    names, holds_people = _columns(header, file)
    decoder = Decoder()
    customers: list[Customer] = []
    people: list[Attached] = []
    for row in rows:
        if len(row) != len(names):
            sentence = f"the row has {len(row)} cells and the header {len(names)}"
            decoder.refuse(row[0].place, sentence, "give each column a cell, empty where nothing is known")
            continue
        node = _node([(name, cell) for name, cell in zip(names, row, strict=True) if cell.text], row[0].place)
        if holds_people:
            people += _person(decoder, node)
        elif (customer := decoder.record(node, Customer)) is not MISSING:
            customers.append(customer)
    if decoder.problems:
        raise Rejected(tuple(decoder.problems))
    return Table(tuple(customers), tuple(people))


def _person(decoder: Decoder, node: Mapping) -> Iterator[Attached]:
    customer = node.get("customer")
    if not isinstance(customer, Scalar):
        decoder.refuse(node.place, "the person belongs to no customer", "fill the column customer")
        return
    rest = tuple(pair for pair in node.pairs if pair[0].text != "customer")
    person = decoder.record(Mapping(rest, node.place), Person)
    if person is not MISSING:
        yield Attached(Ref(customer.text, customer.place), person)


def _text(data: bytes, file: str, bytes_max: int) -> str:
    if len(data) > bytes_max:
        sentence = f"the file has more than {bytes_max} bytes"
        raise Rejected((Problem(Place(file), sentence, "split it into several files"),))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        sentence = f"byte {wrong.start} is not UTF-8"
        raise Rejected((Problem(Place(file, line), sentence, "save the table as CSV UTF-8"),)) from None


def _rows(text: str, file: str) -> Iterator[list[_Cell]]:
    """Yield each row that is not blank; a mistake of form ends the reading, for what follows is not known."""
    reader = _Reader(text, file)
    row: list[_Cell] = []
    end = ","
    while end:
        row.append(reader.cell())
        end = reader.end()
        if len(row) > COLUMNS_MAX:
            _stop(row[-1].place, "the row has too many cells", f"keep it within {COLUMNS_MAX}")
        if end != ",":
            if len(row) > 1 or row[0].text:
                yield row
            row = []


@dataclass(slots=True)
class _Reader:
    """Goes through the text of a table, cell by cell, and knows the place."""

    text: str
    file: str
    offset: int = 0
    line: int = 1
    line_start: int = 0

    def cell(self) -> _Cell:
        """Read one cell; the quote that keeps a spreadsheet from computing it is not part of it."""
        found = _CELL.match(self.text, self.offset)
        assert found is not None, "an empty cell matches everywhere"
        quoted = found[1] is not None
        place = self._place(self.offset + quoted)
        written = found[1].replace('""', '"') if quoted else found[2].strip(" ")
        if len(written) > CELL_CHARS_MAX:
            _stop(place, f"the cell has {len(written)} characters", f"keep it within {CELL_CHARS_MAX}")
        self._pass(found[0])
        if _ESCAPED.match(written):
            return _Cell(written[1:], Place(place.file, place.line, place.column + 1))
        return _Cell(written, place)

    def end(self) -> str:
        """Read what ends a cell: a comma, a line's end, or nothing at the end of the text."""
        found = _END.match(self.text, self.offset)
        if found is None:
            cure = "put the whole cell in quotes, and write each quote inside twice"
            _stop(self._place(self.offset), "a quote does not end, or stands inside a cell", cure)
        self._pass(found[0])
        return found[0]

    def _pass(self, passed: str) -> None:
        self.offset += len(passed)
        for found in _BREAK.finditer(passed):
            self.line += 1
            self.line_start = self.offset - len(passed) + found.end()

    def _place(self, offset: int) -> Place:
        return Place(self.file, self.line, offset - self.line_start + 1)


def _stop(place: Place, sentence: str, cure: str) -> NoReturn:
    raise Rejected((Problem(place, sentence, cure),))


def _columns(header: Sequence[_Cell], file: str) -> tuple[list[str], bool]:
    """Return the columns' names and whether people stand in the table; raise ``Rejected`` otherwise."""
    names = [cell.text.strip().lower() for cell in header]
    holds_people = "email" in names
    known = PERSON if holds_people else (*CUSTOMER, *ALTERNATE)
    problems = []
    if "customer" not in names:
        cure = "name a column customer, and separate columns by commas"
        problems.append(Problem(Place(file), "the header has no column customer", cure))
    for index, (name, cell) in enumerate(zip(names, header, strict=True)):
        is_tag = not holds_people and name.startswith(TAGS) and len(name) > len(TAGS)
        if name not in known and not is_tag and "customer" in names:
            cure = nearest(name, known).replace("the keys here", "the columns")
            problems.append(Problem(cell.place, f"unknown column {name[:60]!r}", cure))
        if name in names[:index]:
            problems.append(Problem(cell.place, f"the column {name[:60]!r} is given twice", "keep one"))
    if problems:
        raise Rejected(tuple(problems))
    return names, holds_people


def _node(cells: Iterable[tuple[str, _Cell]], place: Place) -> Mapping:
    """Return a row as the mapping that it would be in YAML, every value where its cell stands."""
    return _tree([(name, _value(name, cell)) for name, cell in cells], place)


def _tree(named: Iterable[tuple[str, Node]], place: Place) -> Mapping:
    """Return values as a mapping, with one inside for each name before a dot."""
    flat: list[tuple[str, Node]] = []
    inner: dict[str, list[tuple[str, Node]]] = {}
    for name, value in named:
        outer, _, key = name.partition(".")
        if key:
            inner.setdefault(outer, []).append((key, value))
        else:
            flat.append((name, value))
    for outer, below in inner.items():
        first = below[0][1].place
        # Only a person has mappings inside once more; a tag's own name may hold a dot.
        flat.append((outer, _tree(below, first) if outer == "alternate" else _flat(below, first)))
    return _flat(flat, place)


def _flat(named: Iterable[tuple[str, Node]], place: Place) -> Mapping:
    return Mapping(
        tuple((Scalar(name, plain=True, place=value.place), value) for name, value in named), place
    )


def _value(name: str, cell: _Cell) -> Node:
    if name not in _LISTS:
        return _scalar(cell.text, cell.place)
    found = _ITEM.finditer(cell.text)
    line = cell.place
    each = (_scalar(one[0], Place(line.file, line.line, line.column + one.start())) for one in found)
    return Items(tuple(each), cell.place)


def _scalar(text: str, place: Place) -> Scalar:
    # In YAML these words stand for nothing; in a table an empty cell does, and they are names.
    return Scalar(text, plain=text not in ("null", "~"), place=place)


def customers_csv(catalogue: Catalogue) -> str:
    """Return all customers as a table that ``read_table`` reads."""
    tags = sorted({tag for customer in catalogue.customers for tag in customer.tags})
    rows = []
    for one in catalogue.customers:
        contract = one.contract
        known: dict[str, str | None] = {
            "customer": one.customer,
            "name": one.name,
            "tier": one.tier,
            "value": None if one.value is None else f"{one.value:.15g}",
            "uses": " ".join(ref.text for ref in one.uses),
            "contract.number": contract.number if contract else None,
            "contract.since": contract.since if contract else None,
            "contract.until": contract.until if contract else None,
            **{TAGS + tag: value for tag, value in one.tags.items()},
        }
        if one.alternate:
            known |= {f"alternate.{name}": text for name, text in _cells(one.alternate).items()}
        rows.append(known)
    instead = [name for name in ALTERNATE if any(row.get(name) for row in rows)]
    return _written((*CUSTOMER, *instead, *(TAGS + tag for tag in tags)), rows)


def people_csv(catalogue: Catalogue) -> str:
    """Return all people as a table that ``read_table`` reads."""
    rows = ({"customer": customer.customer, **_cells(one)} for customer, one in catalogue.people())
    return _written(PERSON, rows)


def _cells(one: Person) -> dict[str, str | None]:
    """Return what stands of a person in a row, by the names of the columns."""
    return {
        "email": one.email,
        "name": one.name,
        "language": one.language,
        "zone": one.zone,
        "quiet": str(one.quiet) if one.quiet else None,
        "digest": one.digest,
        "pre_impact": None if one.pre_impact is None else str(one.pre_impact).lower(),
        "via": " ".join(one.via),
        "roles": " ".join(one.roles),
        "addresses.sms": one.addresses.sms,
        "addresses.webhook": one.addresses.webhook,
        "consent.email": one.consent.email,
        "consent.sms": one.consent.sms,
        "consent.webhook": one.consent.webhook,
    }


def _written(columns: Sequence[str], rows: Iterable[dict[str, str | None]]) -> str:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_safe(row.get(column) or "") for column in columns] for row in rows)
    return file.getvalue()


def _safe(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula; the reader takes the quote away again."""
    return f"'{text}" if _FORMULA.match(text) or _ESCAPED.match(text) else text
