"""A backtest as one page of HTML: a timeline for each rule, drawn as SVG; no script, nothing loaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from agent.backtest.report import Report, RuleReport, counted, deeds, lead, length, share, summary
from rules.backtest import Episode, Incident

WIDTH: Final = 1000
HEIGHT: Final = 26
TICKS_MAX: Final = 9
RECTANGLES_MAX: Final = 2_000
"""How many episodes one timeline draws; those that would lie on each other are drawn as one."""

_NARROWEST: Final = 1.6
_HALF_TEXT: Final = 45
_HOUR_S: Final = 3600
_TICKS_S: Final = (
    60, 300, 900, _HOUR_S, 3 * _HOUR_S, 6 * _HOUR_S, 12 * _HOUR_S,
    *(days * 24 * _HOUR_S for days in (1, 2, 7, 14, 30, 90, 365)),
)  # fmt: skip

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
:root { color-scheme: light dark; --paper: #fdfcfa; --ink: #1d2433; --faint: #5c6577; --line: #dcdfe6;
  --fire: #c2351f; --calm: #eceef2; --known: #2456a6; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171d; --ink: #e8eaf0; --faint: #a3abbb;
  --line: #303642; --fire: #ff7a5c; --calm: #232833; --known: #8ab4ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 2rem 1.25rem 4rem; font: 1rem/1.5 system-ui, sans-serif;
  background: var(--paper); color: var(--ink); }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
p { margin: .25rem 0; max-width: 60rem; }
.span, figcaption, .quiet { color: var(--faint); }
figure { margin: 0; padding: .75rem 0; border-top: 1px solid var(--line); break-inside: avoid; }
figcaption { display: flex; flex-wrap: wrap; gap: 0 1rem; justify-content: space-between; }
figcaption strong { color: var(--ink); overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; }
.scale text { fill: var(--faint); font-size: 13px; }
.calm { fill: var(--calm); } .fire { fill: var(--fire); } .tick { stroke: var(--line); }
.known { fill: url(#hatch); stroke: var(--known); } .hatch { stroke: var(--known); }
.key svg { display: inline-block; width: 1.5rem; vertical-align: -.2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; white-space: nowrap;
  border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--faint); font-weight: 500; }
tbody th { font-weight: 600; overflow-wrap: anywhere; }
tbody th, td:last-child { white-space: normal; }
"""


def page(report: Report) -> str:
    """Return the whole page; everything that rules and samples say is escaped."""
    fired = sorted(
        (rule for rule in report.rules if rule.figures.episodes),
        key=lambda rule: (-rule.figures.firing_share, rule.name),
    )
    silent = sorted(rule.key for rule in report.rules if not rule.figures.episodes)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>Backtest of {len(report.rules)} rules</title><style>{_STYLE}</style></head><body>",
        "<header><h1>What these rules would have done</h1>",
        f'<p class="span">{_moment(report.since_ms)} to {_moment(report.until_ms)}</p></header>',
        "<main>",
        *(f"<p>{escape(sentence)}</p>" for sentence in summary(report)),
        *_timelines(fired, report),
        *_figures(fired, report),
        *_silent(silent),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _timelines(fired: Sequence[RuleReport], report: Report) -> Iterator[str]:
    if not fired:
        return
    yield '<section aria-labelledby="timelines"><h2 id="timelines">Timelines</h2>'
    yield _PATTERN
    yield f'<p class="quiet key">{_key("fire")} the rule fires{_known_key(report)}. Times are in UTC.</p>'
    yield _scale(report)
    for rule in fired:
        yield "<figure>" + _timeline(rule, report)
        told = f"{counted(rule.figures.episodes, 'episode')}, {share(rule.figures.firing_share)} of the time"
        yield f"<figcaption><strong>{escape(rule.key)}</strong><span>{told}</span></figcaption></figure>"
    yield "</section>"


_PATTERN: Final = (
    '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>'
    '<pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line class="hatch" x1="0" y1="0" x2="0" y2="6" stroke-width="2"/></pattern></defs></svg>'
)


def _key(kind: str) -> str:
    return f'<svg viewBox="0 0 24 14" aria-hidden="true"><rect class="{kind}" width="24" height="14"/></svg>'


def _known_key(report: Report) -> str:
    return f", {_key('known')} an incident is known to have been" if report.incidents else ""


def _scale(report: Report) -> str:
    """Return the axis above all timelines; a text that would leave it is left out."""
    texts = "".join(
        f'<text x="{x:.1f}" y="14" text-anchor="middle">{escape(text)}</text>'
        for x, text in _ticks(report)
        if _HALF_TEXT <= x <= WIDTH - _HALF_TEXT
    )
    return f'<svg class="scale" viewBox="0 0 {WIDTH} 20" aria-hidden="true">{texts}</svg>'


def _ticks(report: Report) -> Iterator[tuple[float, str]]:
    """Yield the place and the text of each tick, at round times."""
    span_s = (report.until_ms - report.since_ms) / 1000
    every_s = next((each for each in _TICKS_S if span_s / each <= TICKS_MAX), _TICKS_S[-1])
    shape = "%H:%M" if every_s < 6 * _HOUR_S else "%d %b %H:%M" if every_s < 24 * _HOUR_S else "%d %b"
    first_s = -(-report.since_ms // 1000 // every_s) * every_s
    for at_s in range(int(first_s), report.until_ms // 1000 + 1, every_s):
        yield _place(at_s * 1000, report), f"{_datetime(at_s * 1000):{shape}}"


def _timeline(rule: RuleReport, report: Report) -> str:
    numbers = rule.figures
    words = f"{rule.key} fired {counted(numbers.episodes, 'time')}, {share(numbers.firing_share)} of all time"
    drawn = [f'<rect class="calm" y="4" width="{WIDTH}" height="{HEIGHT - 8}" rx="2"/>']
    drawn += [
        _rectangle("known", one.start_ms, one.end_ms, report, _said(one)) for one in _relevant(rule, report)
    ]
    ticks = (
        f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT}"/>' for x, _ in _ticks(report)
    )
    drawn += ticks
    drawn += (
        _rectangle("fire", first_ms, last_ms, report, said)
        for first_ms, last_ms, said in _blocks(rule, report)
    )
    label = escape(words, quote=True)
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(drawn)}</svg>'


def _relevant(rule: RuleReport, report: Report) -> list[Incident]:
    """Return the incidents that this rule could have told of."""
    labels = {**rule.replayed.rule.labels.texts(), "alertname": rule.name}
    return [
        one
        for one in report.incidents
        if one.alerts is None or one.alerts.matches(labels) or rule.hindsight is None
    ]


def _blocks(rule: RuleReport, report: Report) -> Iterator[tuple[int, int, str]]:
    """Yield what is drawn of a rule's episodes: those closer than a hair's breadth are one."""
    hair_ms = (report.until_ms - report.since_ms) * _NARROWEST / WIDTH
    gathered: list[Episode] = []
    reached_ms = 0.0
    count = 0
    for one in rule.replayed.episodes:
        if gathered and one.fired_ms > reached_ms + hair_ms:
            yield _block(gathered, reached_ms)
            gathered, reached_ms, count = [], 0.0, count + 1
            if count >= RECTANGLES_MAX:
                return
        gathered.append(one)
        reached_ms = max(reached_ms, one.fired_ms + one.length_ms(report.until_ms))
    if gathered:
        yield _block(gathered, reached_ms)


def _block(episodes: Sequence[Episode], reached_ms: float) -> tuple[int, int, str]:
    first, end_ms = episodes[0], int(reached_ms)
    if len(episodes) > 1:
        return (
            first.fired_ms,
            end_ms,
            f"{len(episodes)} episodes from {_moment(first.fired_ms)} to {_moment(end_ms)}",
        )
    lasted = f"{_moment(first.fired_ms)}, for {length(end_ms - first.fired_ms)}"
    return first.fired_ms, end_ms, f"{first.labels.without(('alertname',))} {lasted}"


def _rectangle(kind: str, first_ms: int, last_ms: int, report: Report, said: str) -> str:
    left, right = _place(first_ms, report), _place(last_ms, report)
    if right < 0 or left > WIDTH:
        return ""
    left = max(0.0, min(left, WIDTH - _NARROWEST))
    width = max(_NARROWEST, min(right, WIDTH) - left)
    top = 1 if kind == "known" else 4
    size = f'x="{left:.2f}" y="{top}" width="{width:.2f}" height="{HEIGHT - 2 * top}"'
    return f'<rect class="{kind}" {size}><title>{escape(said)}</title></rect>'


def _figures(fired: Sequence[RuleReport], report: Report) -> Iterator[str]:
    """Yield the same as numbers."""
    if not fired:
        return
    head = ["Rule", "Episodes", "Median", "95th", "Flaps", "Firing"]
    head += ["People told"] if report.counted else []
    head += ["Precision", "Recall", "Lead"] if report.hindsight else []
    yield '<section aria-labelledby="figures"><h2 id="figures">Figures</h2><div class="scroll"><table>'
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in [*head, "Playbooks"])
    yield f"<thead><tr>{columns}</tr></thead><tbody>"
    for rule in fired:
        numbers, seen = rule.figures, rule.hindsight
        cells = [
            str(numbers.episodes),
            length(numbers.median_ms),
            length(numbers.most_ms),
            str(numbers.flaps),
        ]
        cells += [share(numbers.firing_share)]
        cells += [f"{len(rule.people)}, {rule.tellings} times"] if report.counted else []
        cells += [share(seen.precision), share(seen.recall), lead(seen.lead_ms)] if seen else []
        row = "".join(f"<td>{escape(cell)}</td>" for cell in [*cells, deeds(rule)])
        yield f'<tr><th scope="row">{escape(rule.key)}</th>{row}</tr>'
    yield "</tbody></table></div></section>"


def _silent(silent: Sequence[str]) -> Iterator[str]:
    if silent:
        yield '<section aria-labelledby="silent"><h2 id="silent">Never fired</h2>'
        yield f'<p class="quiet">{escape(", ".join(silent))}</p></section>'


def _said(incident: Incident) -> str:
    about = f" ({incident.alerts})" if incident.alerts else ""
    return f"Incident from {_moment(incident.start_ms)} to {_moment(incident.end_ms)}{about}"


def _place(at_ms: int, report: Report) -> float:
    return WIDTH * (at_ms - report.since_ms) / max(1, report.until_ms - report.since_ms)


def _moment(at_ms: int) -> str:
    return f"{_datetime(at_ms):%Y-%m-%d %H:%M:%S}"


def _datetime(at_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
