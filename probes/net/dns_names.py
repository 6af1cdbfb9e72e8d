"""The names that DNS numbers have: types, classes and response codes (IANA, "DNS Parameters")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from model.misfit import Misfit

TYPES: Final = {
    "A": 1, "NS": 2, "MD": 3, "MF": 4, "CNAME": 5, "SOA": 6, "MB": 7, "MG": 8, "MR": 9, "NULL": 10,
    "PTR": 12, "HINFO": 13, "MINFO": 14, "MX": 15, "TXT": 16, "RP": 17, "AFSDB": 18, "X25": 19,
    "ISDN": 20, "RT": 21, "SIG": 24, "KEY": 25, "PX": 26, "GPOS": 27, "AAAA": 28, "LOC": 29, "NXT": 30,
    "EID": 31, "NIMLOC": 32, "SRV": 33, "ATMA": 34, "NAPTR": 35, "KX": 36, "CERT": 37, "DNAME": 39,
    "OPT": 41, "APL": 42, "DS": 43, "SSHFP": 44, "IPSECKEY": 45, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48,
    "DHCID": 49, "NSEC3": 50, "NSEC3PARAM": 51, "TLSA": 52, "SMIMEA": 53, "HIP": 55, "CDS": 59,
    "CDNSKEY": 60, "OPENPGPKEY": 61, "CSYNC": 62, "ZONEMD": 63, "SVCB": 64, "HTTPS": 65, "SPF": 99,
    "NID": 104, "L32": 105, "L64": 106, "LP": 107, "EUI48": 108, "EUI64": 109, "URI": 256, "CAA": 257,
    "ANY": 255,
}  # fmt: skip  # ten to a line
CLASSES: Final = {"IN": 1, "CH": 3, "HS": 4, "NONE": 254, "ANY": 255}
RCODES: Final = {
    "NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5, "YXDOMAIN": 6,
    "YXRRSET": 7, "NXRRSET": 8, "NOTAUTH": 9, "NOTZONE": 10,
}  # fmt: skip  # as above

_TYPE_NAMES: Final = {number: name for name, number in TYPES.items()}
_CLASS_NAMES: Final = {number: name for name, number in CLASSES.items()}
_RCODE_NAMES: Final = {number: name for name, number in RCODES.items()}


def type_name(number: int) -> str:
    """Return how a type is written (RFC 3597 for one without a name)."""
    return _TYPE_NAMES.get(number, f"TYPE{number}")


def class_name(number: int) -> str:
    """Return how a class is written."""
    return _CLASS_NAMES.get(number, f"CLASS{number}")


def rcode_name(number: int) -> str:
    """Return how a response code is written."""
    return _RCODE_NAMES.get(number, f"RCODE{number}")


def _numbered(text: str, known: dict[str, int], what: str) -> int:
    if text not in known:
        raise Misfit(f"{text[:40]!r} is not a DNS {what}", f"write one of {', '.join(known)}")
    return known[text]


@dataclass(frozen=True, slots=True)
class QueryType:
    """A type to ask for, by its name in capitals."""

    number: int

    @classmethod
    def parse(cls, text: str) -> QueryType:
        """Read a name like AAAA."""
        return cls(_numbered(text, TYPES, "type"))

    def __str__(self) -> str:
        return type_name(self.number)


@dataclass(frozen=True, slots=True)
class QueryClass:
    """A class to ask in, by its name in capitals."""

    number: int

    @classmethod
    def parse(cls, text: str) -> QueryClass:
        """Read a name like IN."""
        return cls(_numbered(text, CLASSES, "class"))

    def __str__(self) -> str:
        return class_name(self.number)


@dataclass(frozen=True, slots=True)
class Rcode:
    """A response code, by its name in capitals."""

    number: int

    @classmethod
    def parse(cls, text: str) -> Rcode:
        """Read a name like NXDOMAIN."""
        return cls(_numbered(text, RCODES, "response code"))

    def __str__(self) -> str:
        return rcode_name(self.number)
