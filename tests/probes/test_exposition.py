from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client import generate_latest as text_of
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as open_text_of
from prometheus_client.openmetrics.parser import text_string_to_metric_families as their_open_reading
from prometheus_client.parser import text_string_to_metric_families as their_text_reading

from model.labels import Labels
from probes.exposition import Exposition, Format, Limits, Malformed, format_of, parse

Reading = dict[str, float]
Reader = Callable[[str], Iterable[Metric]]
THEIR_TEXT: Reader = their_text_reading
THEIR_OPEN: Reader = their_open_reading
OPEN_TEXT_OF: Callable[[CollectorRegistry], bytes] = open_text_of
FORMATS: tuple[Format, ...] = ("text", "openmetrics")


def ours(exposition: Exposition) -> Reading:
    return {str(sample.labels): sample.value for sample in exposition.samples}


def theirs(families: Iterable[Metric]) -> Reading:
    return {
        str(Labels.of(sample.labels, __name__=sample.name)): float(sample.value)
        for family in families
        for sample in family.samples
    }


def text(data: str, limits: Limits | None = None) -> Exposition:
    return parse(data.encode(), "text", limits or Limits())


def open_text(data: str) -> Exposition:
    return parse(f"{data}# EOF\n".encode(), "openmetrics")


EXAMPLE = r"""# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

metric_without_timestamp_and_labels 12.47
something_weird{problem="division by zero"} +Inf -3982045

# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.01"} 3102
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
"""


MSDOS = r'msdos_file_access_time_seconds{error="Cannot find file:\n\"FILE.TXT\"", path="C:\\DIR\\FILE.TXT"}'


def test_the_text_format_is_read_with_its_escapes_types_and_times() -> None:
    read = text(EXAMPLE)
    assert ours(read) == {
        'http_requests_total{code="200", method="post"}': 1027,
        'http_requests_total{code="400", method="post"}': 3,
        MSDOS: 1458255915,
        "metric_without_timestamp_and_labels": 12.47,
        'something_weird{problem="division by zero"}': math.inf,
        'rpc_duration_seconds{quantile="0.01"}': 3102,
        "rpc_duration_seconds_sum": 17560473,
        "rpc_duration_seconds_count": 2693,
    }
    assert sorted(read.times_ms.values()) == [-3982045, 1395066363000, 1395066363000]
    assert {family.name: family.kind for family in read.families.values()} == {
        "http_requests_total": "counter",
        "msdos_file_access_time_seconds": "untyped",
        "metric_without_timestamp_and_labels": "untyped",
        "something_weird": "untyped",
        "rpc_duration_seconds": "summary",
    }
    assert read.families["http_requests_total"].help == "The total number of HTTP requests."


def test_a_text_may_be_laid_out_with_blanks_and_interleaved() -> None:
    read = text('a 1\n  b {x="1",} 2\t\n#hello\n#HELP a\tWords\t of it \n\t\na{y = "2" , z="3"}4\n')
    assert ours(read) == {"a": 1, 'b{x="1"}': 2, 'a{y="2", z="3"}': 4}
    assert read.families["a"].help == "Words\t of it"


def test_an_empty_value_is_no_label() -> None:
    assert ours(text('a{b="",c="1"} 1\n')) == {'a{c="1"}': 1}


@pytest.mark.parametrize(
    "said", ["NaN", "nan", "+Inf", "-inf", "Infinity", ".5", "5.", "1e3", "-1E-3", "007"]
)
def test_a_number_is_read_as_go_reads_it(said: str) -> None:
    [sample] = text(f"a {said}\n").samples
    assert sample.value == float(said) or math.isnan(sample.value)


@pytest.mark.parametrize("said", ["1_000", "0x10", "1e999", "٣", "", "1,5", "nano", "--1", "1e", "e5", "."])
def test_what_is_no_number_is_refused(said: str) -> None:
    with pytest.raises(Malformed):
        text(f"a {said}\n")


@pytest.mark.parametrize(
    ("data", "line", "sentence"),
    [
        ("a 1\nb 2", 2, "was cut"),
        ("a 1\nb\n", 2, "neither a sample nor a comment"),
        ("a 1 2 3\n", 1, "neither"),
        ("a 1 2.5\n", 1, "is not a time"),
        ("a 1 99999999999999999999\n", 1, "is not a time"),
        ("a 1 9999999999999999999\n", 1, "is not a time"),
        ("a 1\r\n", 1, "is not a number"),
        ("1a 1\n", 1, "neither"),
        ('a{b="1" 1\n', 1, "neither"),
        ('a{b="1"c="2"} 1\n', 1, "neither"),
        ('a{,} 1\n', 1, "neither"),
        ('a{b="\\d"} 1\n', 1, "neither"),
        ("a{b='1'} 1\n", 1, "neither"),
        ('{"a.b"} 1\n', 1, "neither"),
        ("a1\n", 1, "neither"),
        ('a{b="1",b="2"} 1\n', 1, "a label stands twice"),
        ('a{__name__="b"} 1\n', 1, "not a label to write"),
        ("a 1\nb 1\na 2\n", 3, "the series a stands twice"),
        ('a{b="1",c="2"} 1\na{c="2",b="1"} 1\n', 2, "stands twice"),
        ('a 1\na{b=""} 1\n', 2, "stands twice"),
        ("a 1\n# TYPE a counter\n", 2, "comes after its samples"),
        ("# TYPE a counter\n# TYPE a counter\n", 2, "second TYPE"),
        ("# HELP a b\n# HELP a b\n", 2, "second HELP"),
        ("# TYPE a info\n", 1, "is not a type"),
        ("# TYPE a Counter\n", 1, "is not a type"),
        ("# TYPE a\n", 1, "is not a type"),
        ("# HELP\n", 1, "neither"),
        ("# TYPE 1 counter\n", 1, "neither"),
    ],
)  # fmt: skip
def test_a_text_with_a_mistake_is_refused_whole_and_the_line_is_named(
    data: str, line: int, sentence: str
) -> None:
    with pytest.raises(Malformed, match=sentence) as refused:
        text(data)
    assert refused.value.line == line
    assert str(refused.value).startswith(f"line {line}: ")


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    with pytest.raises(Malformed, match="not UTF-8") as refused:
        parse(b'a 1\nb{c="\xff"} 1\n', "text")
    assert refused.value.line == 2


def test_every_limit_is_kept() -> None:
    for limits, data in (
        (Limits(samples_max=2), "a 1\nb 1\nc 1\n"),
        (Limits(samples_max=1), "# HELP a b\n# HELP c d\n"),
        (Limits(line_bytes_max=10), "a 1\n# " + "ä" * 5 + "\n"),
        (Limits(label_bytes_max=4), 'a{b="ääb"} 1\n'),
        (Limits(label_bytes_max=4), "abcde 1\n"),
        (Limits(label_bytes_max=4), "# TYPE abcde counter\n"),
        (Limits(labels_max=1), 'a{b="1",c="2"} 1\n'),
    ):
        with pytest.raises(Malformed, match=r"more than|longer than"):
            text(data, limits)
    assert ours(text('a{b="ää"} 1\n', Limits(samples_max=1, label_bytes_max=4, labels_max=1)))


OPEN = """# TYPE a_seconds counter
# UNIT a_seconds seconds
# HELP a_seconds All \\"of\\" them
a_seconds_total{b="\\d"} 1 12.5 # {trace_id="x y"} 0.5 1.5
a_seconds_created{b="\\d"} 1.5e9
# TYPE h histogram
h_bucket{le="0.5"} 1 # {} 0.2
h_bucket{le="+Inf"} 2
h_count 2
h_sum 3.5
# TYPE s stateset
s{s="on"} 1
s{s="off"} 0
# TYPE i info
i_info{v="1"} 1
# TYPE g gaugehistogram
g_bucket{le="+Inf"} 2
g_gcount 2
g_gsum 3
# TYPE q summary
q{quantile="0.5"} NaN
q_count 0
untold 5
"""


def test_openmetrics_is_read_with_its_types_units_times_and_without_exemplars() -> None:
    read = open_text(OPEN)
    told = ours(read)
    assert told['a_seconds_total{b="\\\\d"}'] == 1
    assert list(read.times_ms.values()) == [12_500]
    assert len(told) == 15
    family = read.families["a_seconds"]
    assert (family.kind, family.unit, family.help) == ("counter", "seconds", 'All "of" them')
    assert read.families["untold"].kind == "unknown"


@pytest.mark.parametrize(
    ("data", "line", "sentence"),
    [
        ("a 1\n\nb 1\n", 2, "neither"),
        ("# hello\n", 1, "neither"),
        ("a  1\n", 1, "neither"),
        (" a 1\n", 1, "neither"),
        ('a{b="1", c="2"} 1\n', 1, "neither"),
        ('a{b="1",} 1\n', 1, "neither"),
        ("a 1 NaN\n", 1, "is not a time"),
        ("a 1 1e99\n", 1, "is not a time"),
        ("a 1 # {} 1\n", 1, "only a counter and a bucket"),
        ("# TYPE a counter\na_total 1 # {b=\"" + "x" * 128 + "\"} 1\n", 2, "128 characters"),
        ("# TYPE a untyped\n", 1, "is not a type"),
        ("# TYPE a counter\na 1\n", 2, "has no sample a"),
        ("# TYPE a counter\na_total -1\n", 2, "is no count"),
        ("# TYPE a counter\na_total NaN\n", 2, "is no count"),
        ("# TYPE a counter\na_total 1\nb 1\na_created 1\n", 4, "stands apart"),
        ("# TYPE a counter\na_total 1\n# HELP a b\n", 3, "after its samples"),
        ("a 1\n# TYPE a gauge\n", 2, "after its samples"),
        ("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# HELP a x\n", 5, "stands apart"),
        ("# TYPE a gauge\n# TYPE a gauge\n", 2, "second TYPE"),
        ("# UNIT a_bytes seconds\n", 1, "does not end in its unit"),
        ("# TYPE a_total gauge\na_total 1\n# TYPE a counter\n", 3, "belongs to the families"),
        ("# TYPE a info\na_info 2\n", 2, "an info is 1"),
        ("# TYPE a stateset\na{a=\"x\"} 2\n", 2, "neither 0 nor 1"),
        ("# TYPE a stateset\na{b=\"x\"} 1\n", 2, "does not say which"),
        ("# TYPE a summary\na{quantile=\"1.5\"} 1\n", 2, "between 0 and 1"),
        ("# TYPE a summary\na 1\n", 2, "between 0 and 1"),
        ("# TYPE a summary\na_count 1\n# TYPE b gauge\na_sum 1\n", 4, "stands apart"),
        ("# TYPE a summary\na_count{b=\"1\"} 1\na_count 1\na_sum{b=\"1\"} 1\n", 4, "do not stand together"),
        ("# TYPE a histogram\na_bucket{le=\"1\"} 1\n", 2, "no bucket"),
        ("# TYPE a histogram\na_count 1\na_sum 1\n", 2, "no bucket"),
        ("# TYPE a histogram\na_bucket{le=\"x\"} 1\na_bucket{le=\"+Inf\"} 1\n", 2, "do not rise"),
        ("# TYPE a histogram\na_bucket{le=\"2\"} 1\na_bucket{le=\"1\"} 1\n", 3, "do not rise"),
        ("# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\n", 3, "holds less"),
        ("# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n", 2, "come together"),
        ("# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 2\na_sum 1\n", 3, "is not what its bucket"),
        ("# EOF\na 1\n", 1, "neither"),
        ("a 1\na 2\n", 2, "stands twice"),
    ],
)  # fmt: skip
def test_openmetrics_with_a_mistake_is_refused_whole_and_the_line_is_named(
    data: str, line: int, sentence: str
) -> None:
    with pytest.raises(Malformed, match=sentence) as refused:
        open_text(data)
    assert refused.value.line == line


@pytest.mark.parametrize("data", [b"", b"a 1\n", b"# EOF", b"# EOF\n\n", b"a 1\n# EOF\r\n"])
def test_openmetrics_that_was_cut_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse(data, "openmetrics")


def test_nothing_is_an_exposition_too() -> None:
    assert text("").samples == ()
    assert open_text("").samples == ()


def test_what_is_known_of_the_text_before_changes_nothing_but_the_cost() -> None:
    first = text(EXAMPLE)
    again = parse(EXAMPLE.encode(), "text", known=first.known)
    assert again == first
    assert again.times_ms == first.times_ms
    fewer = parse(b"metric_without_timestamp_and_labels 1\n", "text", known=first.known)
    assert list(fewer.known) == ["metric_without_timestamp_and_labels"]
    with pytest.raises(Malformed, match="is not a number"):
        parse(b"metric_without_timestamp_and_labels x\n", "text", known=first.known)


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"),
        ("Application/OpenMetrics-Text", "openmetrics"),
        ("text/plain; version=0.0.4", "text"),
        ("", "text"),
    ],
)
def test_the_format_is_what_the_content_type_says(content_type: str, form: Format) -> None:
    assert format_of(content_type) == form


def test_a_hostile_line_costs_no_more_than_its_length() -> None:
    hostile = (
        'a{b="' + "\\\\" * 30_000,
        "a{" + 'b="1",' * 10_000,
        "a" * 60_000,
        "a " + "\t" * 60_000 + "x",
        "a{" * 30_000,
        "# TYPE a" + " " * 60_000,
        "a 1" + "0" * 60_000 + "x",
        'a 1 # {b="' + "x" * 60_000,
    )
    began = time.process_time()
    for line in hostile:
        for form in FORMATS:
            with pytest.raises(Malformed):
                parse(f"{line}!\n# EOF\n".encode(), form)
    assert time.process_time() - began < 5


names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,12}", fullmatch=True).filter(lambda name: name[:2] != "__")
words = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=20)
label_sets = st.dictionaries(names.filter(lambda name: name not in ("le", "quantile")), words, max_size=4)
numbers = st.floats(width=64) | st.integers(-(10**12), 10**12)


@st.composite
def registries(draw: st.DrawFn) -> CollectorRegistry:
    """Registries as instrumented programs have them."""
    registry = CollectorRegistry()
    for number in range(draw(st.integers(0, 4))):
        labels = draw(label_sets)
        name, help_text = f"m{number}_{draw(names)}", draw(words)
        made = draw(st.sampled_from((Counter, Gauge, Histogram, Summary, Info, Enum)))
        more = {"states": ["on", "off"]} if made is Enum else {}
        try:
            metric = made(name, help_text, list(labels), registry=registry, **more)
        except ValueError:
            continue  # a reserved name
        child = metric.labels(*labels.values()) if labels else metric
        if isinstance(child, Counter):
            child.inc(abs(draw(st.floats(0, 1e300))))
        elif isinstance(child, Gauge):
            child.set(draw(numbers))
        elif isinstance(child, Histogram | Summary):
            child.observe(draw(st.floats(0, 1e9)))
        elif isinstance(child, Info):
            child.info({"version_of_it": draw(words)})
    return registry


@settings(max_examples=60)
@given(registries())
def test_what_the_official_client_writes_is_read_as_the_official_client_reads_it(
    registry: CollectorRegistry,
) -> None:
    data = text_of(registry)
    assert repr(ours(parse(data, "text"))) == repr(theirs(THEIR_TEXT(data.decode())))
    data = OPEN_TEXT_OF(registry)
    assert repr(ours(parse(data, "openmetrics"))) == repr(theirs(THEIR_OPEN(data.decode())))


SEEDS = (EXAMPLE.encode(), f"{OPEN}# EOF\n".encode())
PIECES = st.sampled_from(
    [
        b"",
        b"\n",
        b" ",
        b"#",
        b"{",
        b"}",
        b'"',
        b"\\",
        b",",
        b"=",
        b"1",
        b"NaN",
        b"_total",
        b"\xff",
        b"# EOF\n",
    ]
)


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Texts with a few bytes changed, or lines moved."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.integers(0, 8))
        data = data[:at] + draw(PIECES) + data[at + length :]
    return data


@settings(max_examples=300)
@given(broken())
def test_whatever_is_sent_is_read_or_refused(data: bytes) -> None:
    for form in FORMATS:
        try:
            read = parse(data, form)
        except Malformed:
            continue
        assert repr(parse(data, form, known=read.known)) == repr(read)


@settings(max_examples=300)
@given(broken())
def test_what_we_and_the_official_client_both_take_we_read_alike(data: bytes) -> None:
    try:
        read = ours(parse(data, "openmetrics"))
        other = theirs(THEIR_OPEN(data.decode()))
    except (Malformed, ValueError):
        return  # each is stricter in places
    assert repr(read) == repr(other)
