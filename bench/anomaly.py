"""The detector of unusual behaviour on the Numenta Anomaly Benchmark; the README tells how to get it."""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.nab import PROFILES, DataFile, Result, judge, read_corpus
from rules.unusual import Detector

NAME: Final = "beforehand"
PEERS: Final = ("ARTime", "numenta", "contextOSE", "knncad", "relativeEntropy", "windowedGaussian")
"""Detectors whose anomaly scores are part of the benchmark; they show that this scorer is the benchmark's."""

_SERIES: Final = 200

Scores = dict[str, list[float]]


def main() -> int:
    """Score the detector and its peers, and print what it costs."""
    parser = argparse.ArgumentParser(prog="python -m bench.anomaly", description=__doc__)
    parser.add_argument("--nab", type=Path, required=True, help="a checkout of github.com/numenta/NAB")
    parser.add_argument("--results", type=Path, help="write the scores here too, as the benchmark keeps them")
    options = parser.parse_args()
    corpus = read_corpus(options.nab)
    scores, sample_us = detect(corpus)
    published = json.loads((options.nab / "results/final_results.json").read_text())
    sys.stdout.write(f"{'':18}{'standard':>22}{'low FP':>22}{'low FN':>22}\n")
    _print(NAME, corpus, scores, {})
    for peer in PEERS:
        _print(peer, corpus, _read_scores(options.nab, peer, corpus), published[peer])
    sys.stdout.write("in brackets what the benchmark publishes\n\n")
    for text in _doubts(corpus, scores):
        sys.stdout.write(f"{text}\n")
    sys.stdout.write(f"{sample_us:.1f} us of CPU per sample, {_bytes(corpus[0])} bytes per series\n")
    if options.results:
        _write(options.results, corpus, scores)
    return 0


def detect(corpus: Sequence[DataFile]) -> tuple[Scores, float]:
    """Return the scores of every file, each by a new detector, and the CPU time per sample in us."""
    scores: Scores = {}
    began_s = time.process_time()
    for file in corpus:
        score = Detector().score
        scores[file.name] = [score(*one) for one in zip(file.times_ms, file.values, strict=True)]
    took_s = time.process_time() - began_s
    return scores, took_s * 1e6 / sum(len(file.values) for file in corpus)


def _print(name: str, corpus: Sequence[DataFile], scores: Scores, published: dict[str, float]) -> None:
    cells = []
    for profile in PROFILES:
        said = f" ({published[profile.name]:.2f})" if published else ""
        cells.append(f"{judge(corpus, scores, profile).score:.2f}{said}")
    sys.stdout.write(f"{name:18}{''.join(f'{cell:>22}' for cell in cells)}\n")


def _doubts(corpus: Sequence[DataFile], scores: Scores) -> list[str]:
    """Say what the score rests on: the threshold, and each half of the corpus with the other's threshold."""
    standard = PROFILES[0]
    whole = judge(corpus, scores, standard)
    halves = [corpus[0::2], corpus[1::2]]
    apart = [judge(half, scores, standard) for half in halves]
    crossed = [
        judge(half, scores, standard, other.threshold)
        for half, other in zip(halves, reversed(apart), strict=True)
    ]
    at_099 = judge(corpus, scores, standard, 0.99)
    return [
        f"standard: {_told(whole)}",
        f"standard, threshold 0.99: {_told(at_099)}",
        *(f"standard, every other file: {_told(half)}" for half in apart),
        *(f"the same at the other half's threshold: {_told(half)}" for half in crossed),
    ]


def _told(result: Result) -> str:
    return (
        f"{result.score:.2f} at {result.threshold:.4f}, {result.found} of {result.windows} windows found, "
        f"{result.alarms} false alarms"
    )


def _read_scores(root: Path, name: str, corpus: Sequence[DataFile]) -> Scores:
    scores: Scores = {}
    for file in corpus:
        with _result(root / "results", name, file.name).open(newline="") as rows:
            scores[file.name] = [float(row["anomaly_score"]) for row in csv.DictReader(rows)]
    return scores


def _write(root: Path, corpus: Sequence[DataFile], scores: Scores) -> None:
    for file in corpus:
        path = _result(root, NAME, file.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        inside = {row for begin, end in file.windows for row in range(begin, end + 1)}
        with path.open("w", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(("timestamp", "value", "anomaly_score", "label"))
            for row, score in enumerate(scores[file.name]):
                at = datetime.fromtimestamp(file.times_ms[row] / 1000, UTC).replace(tzinfo=None)
                writer.writerow((at.isoformat(" "), file.values[row], score, int(row in inside)))


def _result(results: Path, detector: str, name: str) -> Path:
    folder, file = name.split("/")
    return results / detector / folder / f"{detector}_{file}"


def _bytes(file: DataFile) -> int:
    """Return what a detector occupies that has read a file."""
    tracemalloc.start()
    detectors = [Detector() for _ in range(_SERIES)]
    for detector in detectors:
        for at_ms, value in zip(file.times_ms[:1000], file.values[:1000], strict=True):
            detector.score(at_ms, value)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return used // len(detectors)


if __name__ == "__main__":
    sys.exit(main())
