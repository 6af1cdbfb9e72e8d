"""The agent's metrics about itself."""

from __future__ import annotations

from typing import Final

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
    "beforehand_remediation_runs_total",
    "Remediation runs by how they ended.",
    "counter",
    ("playbook", "outcome"),
)
BUGS: Final = Metric("beforehand_loop_bugs_total", "Turns of the loop that a bug ended.", "counter")
RULE_FAILED: Final = Metric("beforehand_rules_failing", "Rules whose last evaluation failed.")

ALL: Final = (
    MISSED, ABANDONED, THREADS, SERIES, SERIES_DROPPED, OUT_OF_ORDER, CLOCK_BEHIND, CLOCK_STEPS, RELOADED,
    STOPPED, WAITING, SENT, FAILED, REFUSED, DROPPED, RUNS, RULE_FAILED, BUGS,
)  # fmt: skip
