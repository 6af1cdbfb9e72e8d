"""Takes over what a Prometheus or OpenMetrics endpoint exposes, under its own names.

An endpoint that cannot be reached, or whose text breaks the format or a limit, is unknown as a whole: ``up``
is 0 and nothing of it is stored. Samples belong to the moment of the scrape, also where they carry a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from model.labels import Labels
from model.misfit import Misfit
from model.plugin import Deadline, Probe
from model.sample import LABEL_BYTES_MAX, Metric, Sample
from probes import exposition
from probes.exposition import Limits
from probes.net import http, http_options
from probes.net.address import Url
from probes.net.bytesize import ByteSize
from probes.net.connect import sooner
from probes.net.credentials import Authorization, BasicAuth, Secret
from probes.net.trust import SYSTEM_TRUST, TlsConfig
from probes.service.relabel import Relabel, relabelled

SAMPLES_MAX: Final = 9_000  # below what the agent takes of one run
BODY_BYTES_MAX: Final = 16 << 20
CHANGES_MAX: Final = 64
_BODY: Final = ByteSize(8 << 20)
_TARGETS_OWN: Final = {"job": "exported_job", "instance": "exported_instance"}

POST_RELABELING = Metric(
    "scrape_samples_post_metric_relabeling", "How many samples were left after metric_relabel_configs."
)
BODY_SIZE = Metric("scrape_body_size_bytes", "How long the text was, unpacked.")


class Unscraped(Exception):
    """The endpoint did not give a whole and valid text; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """What to scrape and how much of it, with Prometheus' keys.

    ``target`` is the URL. ``basic_auth``, ``authorization``, ``headers`` and ``tls_config`` are those of the
    http probe. A text beyond ``body_size_limit`` (8 MB, 16 MB at most), ``sample_limit`` (9000 at most, told
    before any relabelling), ``label_limit`` or ``label_value_length_limit`` is refused whole.
    ``metric_relabel_configs`` choose and change series. ``job`` and ``instance`` of the endpoint's own become
    ``exported_job`` and ``exported_instance``; write the wanted ``job`` under ``labels:``.
    """

    target: Url
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    headers: Mapping[str, Secret] = field(default_factory=dict)
    tls_config: TlsConfig = SYSTEM_TRUST
    follow_redirects: bool = True
    body_size_limit: ByteSize = _BODY
    sample_limit: int = SAMPLES_MAX
    label_limit: int = 64
    label_value_length_limit: int = LABEL_BYTES_MAX
    metric_relabel_configs: tuple[Relabel, ...] = ()
    honor_labels: bool = False

    def __post_init__(self) -> None:
        bounds = (
            ("body_size_limit", self.body_size_limit.size, BODY_BYTES_MAX),
            ("sample_limit", self.sample_limit, SAMPLES_MAX),
            ("label_limit", self.label_limit, 256),
            ("label_value_length_limit", self.label_value_length_limit, LABEL_BYTES_MAX),
        )
        for key, value, most in bounds:
            if not 0 < value <= most:
                raise Misfit(f"{value} is no limit", f"write a number from 1 to {most}", key=key)
        if len(self.metric_relabel_configs) > CHANGES_MAX:
            cure = f"keep them within {CHANGES_MAX}"
            raise Misfit("there are too many changes", cure, key="metric_relabel_configs")
        if self.honor_labels:
            cure = "leave it out, and use exported_job and exported_instance"
            raise Misfit("the target's own labels always stand here", cure, key="honor_labels")
        self.question()

    def question(self) -> http_options.Options:
        """Return what is asked of the endpoint."""
        return http_options.Options(
            self.target,
            headers={"Accept": Secret(exposition.ACCEPT), "Accept-Encoding": Secret("gzip"), **self.headers},
            basic_auth=self.basic_auth,
            authorization=self.authorization,
            tls_config=self.tls_config,
            follow_redirects=self.follow_redirects,
            body_size_limit=self.body_size_limit,
        )

    @property
    def limits(self) -> Limits:
        """How much one text may hold."""
        return Limits(
            samples_max=self.sample_limit,
            label_bytes_max=self.label_value_length_limit,
            labels_max=self.label_limit,
        )


def begin(options: Options) -> Callable[[Deadline], Iterator[Sample]]:
    """Return what scrapes; it remembers the series of the last text, for the next is much the same."""
    return Scraper(options).look


class Scraper:
    """Scrapes one endpoint again and again."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._question = options.question()
        self._limits = options.limits
        self._known: Mapping[str, Labels] = {}
        self._changed: dict[Labels, Labels | None] = {}

    def look(self, deadline: Deadline) -> Iterator[Sample]:
        """Yield what the endpoint exposes, or raise ``Unscraped``."""
        seen = http.look(self._question, sooner(deadline))
        if seen.trace.failure or seen.head is None:
            raise Unscraped(seen.trace.failure)
        form = exposition.format_of(seen.head.get("content-type"))
        try:
            text = exposition.parse(seen.body, form, self._limits, self._known)
        except exposition.Malformed as wrong:
            raise Unscraped(f"the text is refused, {wrong}") from None
        self._known = text.known
        kept = self._kept(text.samples)
        yield POST_RELABELING(len(kept))
        yield BODY_SIZE(seen.content.length)
        yield from kept

    def _kept(self, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        """Return the samples that stay, each under its new labels; of two that become one, the first."""
        changed: dict[Labels, Labels | None] = {}
        kept: dict[Labels, Sample] = {}
        for sample in samples:
            if sample.labels in self._changed:
                labels = self._changed[sample.labels]
            else:
                labels = change(sample.labels, self._options.metric_relabel_configs)
            changed[sample.labels] = labels
            if labels is not None:
                kept.setdefault(labels, Sample(labels, sample.value))
        self._changed = changed
        return tuple(kept.values())


def change(labels: Labels, changes: tuple[Relabel, ...]) -> Labels | None:
    """Return the labels under which a series is stored, or None where it is dropped."""
    clash = [name for name in _TARGETS_OWN if labels.get(name)]
    if clash:
        moved = {_TARGETS_OWN[name]: labels.get(name) for name in clash}
        labels = labels.having({**moved, **dict.fromkeys(clash, "")})
    stored = relabelled(labels, changes)
    if stored is not None and not stored.name:
        raise Unscraped(f"metric_relabel_configs leave {str(labels)[:200]} without a name")
    return stored


def _target(options: Options) -> str:
    return options.target.text


PROBE = Probe(
    "scrape", Options, None, (POST_RELABELING, BODY_SIZE),
    job="scrape", target=_target, begin=begin, brings_more=True,
)  # fmt: skip  # the metrics on one line
