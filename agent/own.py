"""The agent's metrics about itself."""

from __future__ import annotations

from typing import Final

from agent.healing import metrics as healing_metrics
from agent.sight import doubt, exhaustion, unusual
from model.sample import Metric

MISSED: Final = Metric(
    "beforehand_probe_slots_missed_total", "Slots skipped because the loop came late.", "counter"
)
ABANDONED: Final = Metric("beforehand_probe_abandoned_total", "Runs given up at their deadline.", "counter")
THREADS: Final = Metric("beforehand_probe_threads", "Worker threads that exist now.")
SERIES: Final = Metric("beforehand_store_series", "Series in the store.")
SERIES_DROPPED: Final = Metric(
    "beforehand_store_series_dropped_total", "Series beyond series_max.", "counter"
)
OUT_OF_ORDER: Final = Metric(
    "beforehand_store_samples_out_of_order_total", "Samples older than the last.", "counter"
)
CLOCK_BEHIND: Final = Metric("beforehand_clock_behind_seconds", "How far the wall clock was set back.")
CLOCK_STEPS: Final = Metric("beforehand_clock_steps_total", "Steps forward of the wall clock.", "counter")
RELOADED: Final = Metric("beforehand_config_last_reload_successful", "1 when the last reload was taken.")
STOPPED: Final = Metric("beforehand_remediation_stopped", "1 while the kill switch is set.")
IN_PROCESS: Final = Metric(
    "beforehand_hand_in_process",
    "1 where steps are taken in the agent's own process, without a hand of its own.",
)
REACHABLE: Final = Metric("beforehand_hand_reachable", "1 while the hand takes requests; where there is one.")
BUILD: Final = Metric("beforehand_build_info", "1, with what runs here.", labels=("version", "pythonversion"))
COLLECTOR_TOOK: Final = Metric(
    "node_scrape_collector_duration_seconds", "How long a collector of the host took.", labels=("collector",)
)
COLLECTOR_SUCCESS: Final = Metric(
    "node_scrape_collector_success", "Whether a collector of the host could look.", labels=("collector",)
)
WAITING: Final = Metric("beforehand_outbox_waiting", "Alerts that a desk has not taken yet.")
SENT: Final = Metric("beforehand_outbox_sent_total", "Alerts taken by a desk.", "counter", ("desk",))
FAILED: Final = Metric("beforehand_outbox_failed_total", "Batches to be tried again.", "counter", ("desk",))
REFUSED: Final = Metric(
    "beforehand_outbox_refused_total", "Alerts that a desk refused.", "counter", ("desk",)
)
DROPPED: Final = Metric(
    "beforehand_outbox_dropped_total", "Alerts beyond the queue's bound.", "counter", ("desk",)
)
RUNS: Final = Metric(
    "beforehand_remediation_runs_last_day",
    "Runs of the last day by how they ended.",
    labels=("playbook", "outcome"),
)
BUGS: Final = Metric("beforehand_loop_bugs_total", "Turns of the loop that a bug ended.", "counter")
RULE_FAILED: Final = Metric("beforehand_rules_failing", "Rules whose last evaluation failed.")

SELECTOR_DEAD: Final = Metric(
    "beforehand_rule_selector_dead",
    "1 while a selector of a rule matches nothing, though it did before, or for a day.",
    labels=("rule_group", "rule", "selector", "nearest"),
)

# Prometheus' own names, so that what people have made to watch its rules watches these as well.
_GROUP: Final = ("rule_group",)
EVALUATIONS: Final = Metric("prometheus_rule_evaluations_total", "Evaluations of rules.", "counter", _GROUP)
FAILURES: Final = Metric(
    "prometheus_rule_evaluation_failures_total", "Evaluations of rules that failed.", "counter", _GROUP
)
ITERATIONS: Final = Metric(
    "prometheus_rule_group_iterations_total", "Slots in which a group was evaluated.", "counter", _GROUP
)
ITERATIONS_MISSED: Final = Metric(
    "prometheus_rule_group_iterations_missed_total", "Slots skipped because of slowness.", "counter", _GROUP
)
INTERVAL: Final = Metric(
    "prometheus_rule_group_interval_seconds", "How far apart a group's slots are.", labels=_GROUP
)
LAST_EVALUATION: Final = Metric(
    "prometheus_rule_group_last_evaluation_timestamp_seconds",
    "When a group was last evaluated, in seconds since 1970.",
    labels=_GROUP,
)
LAST_DURATION: Final = Metric(
    "prometheus_rule_group_last_duration_seconds", "How long that evaluation took.", labels=_GROUP
)
RULES: Final = Metric("prometheus_rule_group_rules", "Rules in a group.", labels=_GROUP)

ALL: Final = (
    MISSED, ABANDONED, THREADS, SERIES, SERIES_DROPPED, OUT_OF_ORDER, CLOCK_BEHIND, CLOCK_STEPS, RELOADED,
    STOPPED, IN_PROCESS, REACHABLE, WAITING, SENT, FAILED, REFUSED, DROPPED, RUNS, RULE_FAILED, SELECTOR_DEAD,
    BUGS, EVALUATIONS, FAILURES, ITERATIONS, ITERATIONS_MISSED, INTERVAL, LAST_EVALUATION, LAST_DURATION,
    RULES, BUILD, COLLECTOR_TOOK, COLLECTOR_SUCCESS, doubt.DOUBT, doubt.DOUBTS, unusual.SCORE,
    *exhaustion.ALL, *healing_metrics.ALL,
)  # fmt: skip
