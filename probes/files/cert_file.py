"""Certificates in files: when each ends, whether it is weak, and whether the key beside it is its own.

PEM, also many in one file, DER, and PKCS#12, which openssl opens. A file without a readable certificate is a
fact about the file; one that may not be read makes all of them unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from model.duration import seconds
from model.labels import Labels
from model.misfit import Misfit
from model.plugin import Deadline, FileChange, Probe, Remark, Wish
from model.sample import Metric, Sample
from probes import program
from probes.files.certificates import Filed, filed, is_pkcs12
from probes.files.paths import ExactPath, FilePath, TooMany, all_found, read_regular, shown
from probes.host.roots import this_host

FILES_MAX: Final = 512
FILE_BYTES_MAX: Final = 4 << 20
TOLD_MAX: Final = 2000
REMARKS_MAX: Final = 200
"""How many files and certificates are told of in words too."""
WISHES_MAX: Final = 64
OPENSSL: Final = "/usr/bin/openssl"

# OpenSSL's words; the last is for a key of another kind than the certificate's.
_MISMATCHES: Final = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")

_PATH: Final = ("path",)
_ONE: Final = ("path", "subject", "issuer")
NOT_AFTER = Metric(
    "beforehand_cert_not_after_timestamp_seconds", "When it ends, in seconds since 1970.", labels=_ONE
)
NOT_BEFORE = Metric(
    "beforehand_cert_not_before_timestamp_seconds", "When it begins, in seconds since 1970.", labels=_ONE
)
SELF_SIGNED = Metric("beforehand_cert_self_signed", "1 if it names itself as its issuer.", labels=_ONE)
WEAK = Metric("beforehand_cert_weak", "1 if its key or its signature can be broken.", labels=_ONE)
READABLE = Metric(
    "beforehand_cert_file_readable", "1 if the file is there and all in it could be read.", labels=_PATH
)
KEY_MATCHES = Metric(
    "beforehand_cert_key_matches",
    "1 if the private key is that of the file's first certificate.",
    labels=_PATH,
)


@dataclass(frozen=True, slots=True)
class Options:
    """Which files to read: absolute paths, also with wildcards; links are followed, as certbot sets them.

    ``key`` is the private key that belongs to the first certificate of each: a name beside it, like
    privkey.pem, or an absolute path; it must not be encrypted. ``password_file`` opens PKCS#12 stores;
    without it their password is empty.
    """

    paths: tuple[FilePath, ...]
    key: str = ""
    password_file: ExactPath | None = None
    files_max: int = 256

    def __post_init__(self) -> None:
        if not self.paths:
            raise Misfit("no file is named", "add a path, like /etc/ssl/private/*.pem", key="paths")
        if not 0 < self.files_max <= FILES_MAX:
            raise Misfit("files_max is out of its bounds", f"write 1 to {FILES_MAX}", key="files_max")
        if "\0" in self.key or ("/" in self.key and not self.key.startswith("/")):
            raise Misfit("the key is neither a name nor an absolute path", "write privkey.pem", key="key")


class Damaged(Exception):
    """A file does not hold what it should; the text is a sentence."""


def run(options: Options, deadline: Deadline) -> Iterator[Sample | Remark | Wish]:
    """Yield what each certificate says, and the wish to be woken when a file changes."""
    remarks = 0
    for seen in _seen(options, deadline):
        remarks += isinstance(seen, Remark)
        if remarks <= REMARKS_MAX or not isinstance(seen, Remark):
            yield seen


def _seen(options: Options, deadline: Deadline) -> Iterator[Sample | Remark | Wish]:
    told = 0
    for asked in options.paths:
        if asked.exact and not asked.found(1):
            yield from _unreadable(asked.text, "there is no such file")
            yield FileChange(asked.text)
    for number, (_, path) in enumerate(all_found(options.paths, options.files_max)):
        if number < WISHES_MAX:
            yield FileChange(path)
        try:
            certificates = read(path, options, deadline)
            if options.key:
                yield KEY_MATCHES(key_matches(path, options.key), path=shown(path))
        except Damaged as fact:
            yield from _unreadable(path, str(fact))
            continue
        told += len(certificates)
        if told > TOLD_MAX:
            raise TooMany(f"the files hold more than {TOLD_MAX} certificates; narrow the paths")
        yield READABLE(1, path=shown(path))
        yield from samples(path, certificates)


def _unreadable(path: str, reason: str) -> Iterator[Sample | Remark]:
    yield READABLE(0, path=shown(path))
    yield Remark(Labels.of(path=shown(path)), reason)


def read(path: str, options: Options, deadline: Deadline) -> list[Filed]:
    """Return the certificates of a file, or raise ``Damaged``."""
    data = read_regular(path, FILE_BYTES_MAX)
    if data is None:
        raise Damaged("it is no file")
    if len(data) > FILE_BYTES_MAX:
        raise Damaged(f"it is longer than {FILE_BYTES_MAX} bytes")
    try:
        certificates = filed(_opened(path, options.password_file, deadline) if is_pkcs12(data) else data)
    except ValueError as wrong:
        raise Damaged(str(wrong)) from None
    if not certificates:
        raise Damaged("there is no certificate in it")
    return certificates


def _opened(path: str, password_file: ExactPath | None, deadline: Deadline) -> bytes:
    """Return the certificates of a PKCS#12 store in PEM; older stores need openssl's older algorithms."""
    password = f"file:{password_file}" if password_file else "pass:"
    argv = (OPENSSL, "pkcs12", "-in", path, "-nokeys", "-passin", password)
    done = program.run(argv, deadline, output_bytes_max=FILE_BYTES_MAX)
    if done.code != 0 and b"unsupported" in done.stderr:
        done = program.run((*argv, "-legacy"), deadline, output_bytes_max=FILE_BYTES_MAX)
    if done.overtime:
        deadline.left_s()
    if done.code != 0 or done.truncated:
        raise Damaged("openssl cannot open it with this password")
    return done.stdout


def key_matches(path: str, key: str) -> bool:
    """Tell whether a private key belongs to the first certificate of a file, or raise ``Damaged``."""
    # Costs 4 MB, which hosts that check no key do not need.
    import ssl  # noqa: PLC0415  # see above

    beside = Path(key) if key.startswith("/") else Path(path).parent / key
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # a weak key may still be the right one
    try:
        context.load_cert_chain(path, beside, password="")
    except ssl.SSLError as wrong:
        if wrong.reason in _MISMATCHES:
            return False
        raise Damaged(f"its key cannot be read: {wrong.reason or wrong}") from None
    except (FileNotFoundError, NotADirectoryError):
        raise Damaged("its key is not there") from None
    return True


def samples(path: str, certificates: list[Filed]) -> Iterator[Sample | Remark]:
    """Yield what certificates say; of several for the same the first one counts, which a server sends."""
    names: set[tuple[str, str]] = set()
    for one in certificates:
        name = (one.told.subject, one.told.issuer)
        if name in names:
            continue
        names.add(name)
        labels = {"path": shown(path), "subject": one.told.subject, "issuer": one.told.issuer}
        yield NOT_AFTER(one.told.not_after_s, **labels)
        yield NOT_BEFORE(one.told.not_before_s, **labels)
        yield SELF_SIGNED(one.self_signed, **labels)
        yield WEAK(bool(one.weakness), **labels)
        if one.weakness:
            yield Remark(Labels.of(labels), one.weakness)


def _subject(options: Options) -> str:
    return options.paths[0].text


PROBE = Probe(
    "cert_file", Options, run, (NOT_AFTER, NOT_BEFORE, SELF_SIGNED, WEAK, READABLE, KEY_MATCHES),
    job="node", target=this_host, subject=_subject, every=seconds(300), timeout=seconds(20),
)  # fmt: skip  # the metrics on one line
