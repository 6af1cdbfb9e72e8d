"""Judgement: rule files, PromQL over the sample store, the lifecycle of alerts, and their words."""
